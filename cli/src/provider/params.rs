//! Whether what a person gives besides the secret is something that a provider knows.

use hook_providers::Recipe;

use super::Providers;
use crate::failure::Failure;
use crate::param::Param;

impl Providers {
    /// Fails with the first param that none of these recipes knows; with no recipes, that none at all knows.
    pub fn check_params(&self, params: &[Param], of: &[&Recipe]) -> Result<(), Failure> {
        let knows = |recipe: &Recipe, name: &str| recipe.params.iter().any(|param| param.name == name);
        let known = |name: &str| match of {
            [] => self.catalog.iter().any(|recipe| knows(recipe, name)),
            of => of.iter().any(|recipe| knows(recipe, name)),
        };
        // A recipe that was left out may know it.
        let unknown = params.iter().find(|param| !known(&param.name)).filter(|_| self.left_out.is_empty());
        unknown.map_or(Ok(()), |param| Err(needless(&param.name, of)))
    }
}

fn needless(name: &str, of: &[&Recipe]) -> Failure {
    // What does not look like a name may be a value, which is not repeated.
    let is_name = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let name = if is_name { format!("\"{name}\"") } else { "of that name".to_owned() };
    let Some(first) = of.first() else {
        return Failure::usage(format!("no provider that hook knows needs a param {name}."))
            .next("hook providers PROVIDER      what it needs");
    };
    let names: Vec<&str> = of.iter().map(|recipe| recipe.name.as_str()).collect();
    let failure = Failure::usage(format!("{} needs no param {name}.", names.join(" or ")));
    let needed = of.iter().flat_map(|recipe| &recipe.params).map(|param| format!("--param {}=…", param.name));
    let next = needed.chain([format!("hook providers {}      what it needs", first.slug)]);
    next.fold(failure, Failure::next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_param_that_nobody_knows_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let providers = Providers::load(dir.path());
        let of = |slug: &str| providers.get(slug).unwrap();
        let said = |param: &str, of: &[&Recipe]| {
            let checked = providers.check_params(&[Param::parse(param).unwrap()], of);
            checked.err().map(|failure| failure.what).unwrap_or_default()
        };
        assert_eq!((said("verify_token=x", &[]), said("webhook_id=x", &[of("paypal")])), Default::default());
        assert_eq!(said("bogus=1", &[]), "no provider that hook knows needs a param \"bogus\".");
        assert_eq!(said("webhook_id=x", &[of("zoom")]), "Zoom needs no param \"webhook_id\".");
        assert_eq!(said("Whsec0123=x", &[of("stripe")]), "Stripe needs no param of that name.");
    }
}
