use super::*;

fn handed(value: usize) -> Kept {
    Kept {
        project: None,
        endpoint: Some("shop".into()),
        provider: "asana".into(),
        value: format!("{value:032}"),
        for_app: None,
        from: From::Handshake,
    }
}

#[test]
fn those_that_were_handed_over_first_stay_and_sign() {
    let mut kept = Vec::new();
    for n in 0..20 {
        assert_eq!(add_handed(&mut kept, handed(n)), n < HANDED);
    }
    assert!(add_handed(&mut kept, handed(0)), "it is known");
    let values: Vec<String> = kept.iter().map(|k| k.value.clone()).collect();
    assert_eq!(values, (0..HANDED).map(|n| handed(n).value).collect::<Vec<_>>());
    assert!(add_handed(&mut kept, Kept { endpoint: Some("other".into()), ..handed(9) }));
}

#[test]
fn only_what_counts_for_a_project_is_told_of() {
    let kept = |project: Option<&str>, value: &str| Kept {
        project: project.map(PathBuf::from),
        endpoint: None,
        from: From::Person,
        value: value.into(),
        ..handed(0)
    };
    let store = |kept: &[&Kept]| Store { kept: kept.iter().map(|kept| (*kept).clone()).collect(), seen: None };
    let told = |before: &[&Kept], after: &[&Kept]| -> Vec<String> {
        store(before).changes(&store(after), Path::new("/own")).iter().map(ToString::to_string).collect()
    };
    let (own, other, every) = (&kept(Some("/own"), "1"), &kept(Some("/other"), "2"), &kept(None, "3"));
    let (rotated, none) = (&kept(Some("/own"), "4"), Vec::<String>::new());
    assert_eq!(told(&[], &[other]), none);
    assert_eq!(told(&[other, own], &[own]), none);
    // The first of the project, although another has one of that name.
    let first = told(&[other], &[other, own]);
    assert_eq!(first, ["the kept secret of asana is new"]);
    assert_eq!(told(&[every], &[every, own]), first);
    assert_eq!(told(&[own], &[rotated]), ["the kept secret of asana has changed"]);
    assert_eq!(told(&[own], &[own, every]), ["the kept secret of asana for every project is new"]);
    assert_eq!(told(&[own], &[other]), ["the kept secret of asana is gone"]);
}

#[test]
fn a_file_of_a_newer_hook_is_refused_and_nobody_is_told_to_remove_it() {
    let said = |text: &str| parse(text, Path::new("/c/secrets.toml")).err().map(|failure| failure.to_string());
    let secret = "[[secret]]\nprovider = \"stripe\"\nvalue = \"hush-hush\"\n";
    assert_eq!((said(secret), said(&format!("v = 1\n{secret}")), said("")), (None, None, None));
    let newer = said(&format!("v = 2\n{secret}strength = 9\n")).unwrap();
    assert!(newer.contains("newer hook (format 2, this one knows 1). It was not touched."), "{newer}");
    for other in ["v = 1\nmore = 1\n", "[[secret]]\nvalue = \"hush-hush\"", "hush-hush"] {
        let other = said(other).unwrap();
        assert!(other.contains("not what hook secret writes") && !other.contains("hush"), "{other}");
        assert!(!other.contains("remove"), "{other}");
    }
}
