//! Who sent this, and what is it about?

use crate::catalog::Catalog;
use crate::recipe::Recipe;
use crate::recipe::selector::Selector;
use crate::recipe::template::Scope;
use crate::request::Request;

/// Types and ids beyond this many characters are cut: they are for people and indexes.
const MAX_WORD: usize = 200;

/// Who a request seems to be from.
#[derive(Clone, Debug)]
pub struct Identified<'c> {
    pub recipe: Option<&'c Recipe>,
    /// Other recipes that fit just as well; empty when the provider was pinned.
    pub also: Vec<&'c Recipe>,
    pub event: Event,
}

/// What the provider says about an event. The texts are the sender's own: escape them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `payment_intent.succeeded`, `pull_request`.
    pub kind: Option<String>,
    /// `opened`, where the provider keeps it apart.
    pub action: Option<String>,
    /// The same for every delivery of one event: two of the same are duplicates.
    pub id: Option<String>,
    /// The provider's own id of this delivery.
    pub delivery: Option<String>,
    /// What the provider says about which retry this is.
    pub retry: Option<String>,
    /// Whether it is about real money or data; `None` when the provider does not say.
    pub live: Option<bool>,
    /// It is of a kind that is never sent again, whatever the answer.
    pub once: bool,
}

impl Event {
    /// Type and action in one word: `pull_request.opened`.
    pub fn full_type(&self) -> Option<String> {
        match (&self.kind, &self.action) {
            (Some(kind), Some(action)) => Some(format!("{kind}.{action}")),
            (kind, action) => kind.clone().or_else(|| action.clone()),
        }
    }
}

/// Finds the recipe that says most about this request. One that is pinned on the endpoint beats any that is found.
pub fn identify<'c>(catalog: &'c Catalog, request: &Request<'_>, pinned: Option<&'c Recipe>) -> Identified<'c> {
    let scope = Scope::new(request, &[]);
    if let Some(recipe) = pinned {
        return Identified { recipe: Some(recipe), also: Vec::new(), event: event(recipe, &scope) };
    }
    let mut best = 0;
    let mut found: Vec<&Recipe> = Vec::new();
    for recipe in catalog.iter() {
        let score = score(recipe, &scope);
        if score > best {
            best = score;
            found.clear();
        }
        if score == best && score > 0 {
            found.push(recipe);
        }
    }
    let recipe = found.first().copied();
    let event = recipe.map(|recipe| event(recipe, &scope)).unwrap_or_default();
    Identified { recipe, also: found.into_iter().skip(1).collect(), event }
}

/// The weight of the best alternative that holds.
fn score(recipe: &Recipe, scope: &Scope<'_>) -> u32 {
    let holds = recipe.matches.iter().filter(|all| all.iter().all(|condition| condition.holds(scope)));
    holds.map(|all| all.iter().map(|condition| condition.weight()).sum()).max().unwrap_or(0)
}

fn event(recipe: &Recipe, scope: &Scope<'_>) -> Event {
    let first = |places: &[Selector]| {
        let text = places.iter().find_map(|place| place.find(scope).filter(|text| !text.is_empty()))?;
        Some(word(&text))
    };
    let places = &recipe.event;
    let kind = first(&places.kind).map(|kind| places.names.get(&kind).cloned().unwrap_or(kind));
    let id = places.id.iter().find_map(|id| id.text(scope).ok().filter(|text| !text.is_empty()));
    // Only a place that exists says anything: no `livemode` is not "test".
    let says = |live: &crate::recipe::condition::Condition| live.place.find(scope).is_some();
    let live = places.live.as_ref().filter(|live| says(live)).map(|live| live.holds(scope));
    Event {
        kind,
        action: first(&places.action),
        id: id.map(|text| word(text.trim_ascii())),
        delivery: first(&places.delivery),
        retry: first(&places.retry),
        live,
        once: places.once.as_ref().is_some_and(|once| once.holds(scope)),
    }
}

fn word(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..4 * MAX_WORD).unwrap_or(text)).chars().take(MAX_WORD).collect()
}
