use hook_proto::{EndpointName, Settings};

use super::{ClaimError, Registry, RegistryError, Run, TokenId};
use crate::database::OpenError;

fn name(text: &str) -> EndpointName {
    text.parse().unwrap()
}

#[test]
fn a_token_is_known_by_its_secret_until_it_is_revoked() {
    let registry = Registry::in_memory().unwrap();
    assert!(!registry.any_token().unwrap());
    let laptop = registry.create_token("laptop", 1000, [1; 32]).unwrap();
    let ci = registry.create_token("ci", 2000, [255; 32]).unwrap();
    assert_ne!(laptop.id, TokenId::LOCAL);
    for token in [&laptop, &ci] {
        let letters = token.secret.strip_prefix("hk_").unwrap();
        assert!(letters.len() == 43 && letters.bytes().all(|b| b.is_ascii_alphanumeric()), "{letters}");
        assert_eq!(registry.authenticate(&token.secret).unwrap(), Some(token.id));
    }
    for wrong in ["", "hk_", "laptop", &laptop.secret[..45], &format!("{} ", ci.secret)] {
        assert_eq!(registry.authenticate(wrong).unwrap(), None);
    }
    assert_eq!(registry.revoke_token("laptop", 3000).unwrap().id, laptop.id);
    assert_eq!(registry.authenticate(&laptop.secret).unwrap(), None);
    assert_eq!(registry.authenticate(&ci.secret).unwrap(), Some(ci.id));
    let listed = registry.list_tokens().unwrap();
    let shown: Vec<_> = listed.iter().map(|t| (t.id, t.name.as_str(), t.created_at, t.revoked_at)).collect();
    assert_eq!(shown, [(laptop.id, "laptop", 1000, Some(3000)), (ci.id, "ci", 2000, None)]);

    registry.revoke_token(&ci.id.to_string(), 4000).unwrap();
    assert!(registry.any_token().unwrap(), "a relay that had tokens is not open to everybody");
}

#[test]
fn the_secret_itself_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let secret = registry.create_token("laptop", 0, [7; 32]).unwrap().secret;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == &secret.as_bytes()[3..15]));
    }
}

#[test]
fn revoking_wants_one_token() {
    let registry = Registry::in_memory().unwrap();
    for (n, token) in ["ann-laptop", "ann-desk", "ann", "bob"].into_iter().zip(1..) {
        registry.create_token(n, 0, [token; 32]).unwrap();
    }
    let taken = registry.create_token("bob", 0, [9; 32]).err().unwrap();
    assert!(matches!(taken, RegistryError::TokenNameTaken(_)));
    for bad in ["", "a\nb", &"x".repeat(65)] {
        assert!(matches!(registry.create_token(bad, 0, [8; 32]), Err(RegistryError::BadTokenName)));
    }
    assert_eq!(registry.revoke_token("ann", 1).unwrap().name, "ann", "a whole name goes first");
    let several = registry.revoke_token("ann", 1).unwrap_err().to_string();
    assert!(several.contains("ann-desk") && several.contains("ann-laptop"), "{several}");
    assert_eq!(registry.revoke_token("ann-d", 1).unwrap().name, "ann-desk");
    for nobody in ["carol", "", "ann-desk"] {
        assert!(matches!(registry.revoke_token(nobody, 1), Err(RegistryError::NoSuchToken(_))), "{nobody}");
    }
    registry.revoke_token("bob", 1).unwrap();
    registry.create_token("bob", 2, [10; 32]).unwrap();
}

#[test]
fn an_endpoint_stays_with_its_owner_and_its_epoch_rises() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, bob) = {
        let registry = Registry::open(dir.path()).unwrap();
        let ann = registry.create_token("ann", 0, [1; 32]).unwrap().id;
        let bob = registry.create_token("bob", 0, [2; 32]).unwrap().id;
        let settings = Settings { queued_status: 202, max_body: 0 };
        assert_eq!(registry.claim(&name("shop"), ann, settings, Run::default(), 50).unwrap().epoch, 1);
        assert_eq!(registry.claim(&name("local"), TokenId::LOCAL, settings, Run::default(), 60).unwrap().epoch, 1);
        (ann, bob)
    };
    let registry = Registry::open(dir.path()).unwrap();
    let refused = registry.claim(&name("shop"), bob, Settings::default(), Run::default(), 70);
    assert!(matches!(refused, Err(ClaimError::OwnedByAnother)));
    let row = registry.endpoint(&name("shop")).unwrap().unwrap();
    assert_eq!((row.owner, row.epoch, row.settings.queued_status, row.created_at), (ann, 1, 202, 50));

    let settings = Settings { queued_status: 0, max_body: 9 };
    assert_eq!(registry.claim(&name("shop"), ann, settings, Run::default(), 80).unwrap().epoch, 2);
    let row = registry.endpoint(&name("shop")).unwrap().unwrap();
    assert_eq!((row.epoch, row.settings, row.created_at), (2, settings, 50));
    let all: Vec<_> = registry.list_endpoints().unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(all, [name("local"), name("shop")]);
    assert_eq!(registry.endpoint(&name("nobody")).unwrap(), None);
}

#[test]
fn a_run_that_lost_its_place_does_not_get_it_back_by_coming_again() {
    let dir = tempfile::tempdir().unwrap();
    let registry = || Registry::open(dir.path()).unwrap();
    let claim = |registry: &Registry, instance, held, at| {
        let run = Run { instance, label: instance, held };
        registry.claim(&name("shop"), TokenId::LOCAL, Settings::default(), run, at).map(|claimed| claimed.epoch)
    };
    let first = registry();
    assert_eq!(claim(&first, "old", 0, 10).unwrap(), 1);
    assert_eq!(claim(&first, "old", 1, 20).unwrap(), 2, "it comes back");
    assert_eq!(claim(&first, "new", 0, 30).unwrap(), 3, "another one takes over");
    assert_eq!(claim(&first, "new", 3, 40).unwrap(), 4);
    drop(first);
    for registry in [registry(), registry()] {
        let Err(ClaimError::Superseded { by, at }) = claim(&registry, "old", 2, 50) else { panic!("not superseded") };
        assert_eq!((by.as_str(), at), ("new", 30), "who, and since when");
    }
    assert_eq!(claim(&registry(), "old", 0, 60).unwrap(), 5, "unless a person starts it again");
    // A registry that went back in time knows less than the run does.
    assert_eq!(claim(&registry(), "new", 9, 70).unwrap(), 6);
}

#[test]
fn another_process_can_revoke() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Registry::open(dir.path()).unwrap();
    let secret = relay.create_token("ann", 0, [1; 32]).unwrap().secret;
    assert!(!relay.changed().unwrap(), "its own changes are not news");
    let other = Registry::open(dir.path()).unwrap();
    assert!(!relay.changed().unwrap());
    other.revoke_token("ann", 1).unwrap();
    assert!(relay.changed().unwrap());
    assert!(!relay.changed().unwrap());
    assert_eq!(relay.authenticate(&secret).unwrap(), None);
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Registry::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("relay.db")).unwrap();
    db.pragma_update(None, "user_version", 3).unwrap();
    drop(db);
    let refused = Registry::open(dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 3, known: 2, .. }));
    assert!(refused.to_string().contains("not touched"));
}
