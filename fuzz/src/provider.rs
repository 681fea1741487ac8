//! Recipes before hostile requests, and hostile recipes: nothing panics, nothing is said that is secret, and what is signed
//! here verifies here.

use std::sync::OnceLock;

use hook_providers::{
    Around, Catalog, Known, Recipe, Request, Secret, State, answer_handshake, explain, identify, new_secret, sign,
    verify,
};

use crate::input::Input;

/// Some Monday.
const NOW: u64 = 1_773_144_000_000;

/// A recipe's name, a secret, a method, a URL and header fields, each on a line; after an empty one the body.
/// Below the name `recipe` there is the text of one instead.
pub fn holds(data: &[u8]) {
    let mut input = Input(data);
    let name = input.line();
    let Some(text) = (name == "recipe").then(|| String::from_utf8_lossy(input.0)) else {
        return Sent::read(input).holds(known(&name, data));
    };
    match Recipe::parse("fuzzed", &text) {
        Ok(recipe) => {
            Sent::read(Input(b"s3cr3t\nPOST\nhttps://h.example/in?a=1\nX-Sig: t=1,v1=00\n\n{\"id\":\"1\"}"))
                .holds(&recipe);
        }
        Err(error) => {
            assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1, "{error}");
            assert!(!error.problem.is_empty());
        }
    }
}

fn shipped() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::shipped)
}

/// The recipe of that name, else any.
fn known(name: &str, data: &[u8]) -> &'static Recipe {
    let any = data.iter().map(|b| usize::from(*b)).sum::<usize>() % shipped().iter().len();
    shipped().get(name).or_else(|| shipped().iter().nth(any)).expect("there are recipes")
}

struct Sent {
    secret: String,
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    fn read(mut input: Input<'_>) -> Self {
        let [secret, method, url] = [(); 3].map(|()| input.line().into_owned());
        let mut headers = Vec::new();
        while !input.is_empty() {
            let line = input.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        Self { secret, method, url, headers, body: input.0.to_vec() }
    }

    fn look<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        look(&Request::new(&self.method, &self.url, &headers, &self.body))
    }

    fn holds(&self, recipe: &Recipe) {
        let made = new_secret(recipe, [7; 32]).map(|new| new.secret);
        let own = Secret { label: "own", value: &self.secret };
        let made = made.as_deref().map(|value| Secret { label: "made", value });
        let params: Vec<(&str, &str)> = recipe.params.iter().map(|param| (param.name.as_str(), "p4r4m")).collect();
        let secrets: Vec<Secret<'_>> = made.into_iter().chain([own]).collect();
        let known = Known { secrets: &secrets, params: &params, live_keys: &[] };
        self.look(|request| {
            for pinned in [None, Some(recipe)] {
                let event = identify(shipped(), request, pinned).event;
                let words = [event.kind, event.action, event.id, event.delivery, event.retry];
                assert!(words.into_iter().flatten().all(|word| word.chars().count() <= 200));
            }
            let found = verify(recipe, request, &known, NOW);
            let around =
                Around { other_secrets: &[own], other_urls: &["http://localhost:3000/in"], catalog: Some(shipped()) };
            let explained = explain(recipe, request, &known, &around, NOW);
            assert_eq!(explained.verdict.state, found.state, "an explanation is of the verdict");
            if let Some(made) = made {
                let said = format!("{found:?} {explained:?}");
                assert!(!said.contains(made.value), "no secret is told");
            }
            if let Some(answer) = answer_handshake(recipe, request, &known, NOW).and_then(|found| found.answer) {
                assert!((100..600).contains(&answer.status), "{answer:?}");
            }
        });
        let known = if made.is_some() { Known { secrets: &secrets[..1], ..known } } else { known };
        // Any other recipe may say that a signature stands where it is not looked for.
        if let Some(state) = self.state_when_signed(recipe, &known)
            && made.is_some()
            && shipped().get(&recipe.slug).is_some()
        {
            assert_eq!(state, State::Valid, "{}", recipe.slug);
        }
    }

    fn state_when_signed(&self, recipe: &Recipe, known: &Known<'_>) -> Option<State> {
        let signed = self.look(|request| {
            let signed = sign(recipe, request, known, NOW).ok()?;
            Some(Self {
                secret: String::new(),
                method: self.method.clone(),
                headers: signed.apply(request.headers),
                url: signed.url.unwrap_or_else(|| self.url.clone()),
                body: signed.body.unwrap_or_else(|| self.body.clone()),
            })
        });
        Some(signed?.look(|request| verify(recipe, request, known, NOW).state))
    }
}
