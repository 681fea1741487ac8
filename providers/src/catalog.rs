//! All recipes: the ones that hook ships, and a person's own.

use crate::recipe::{Recipe, RecipeError};

include!(concat!(env!("OUT_DIR"), "/recipes.rs"));

/// The recipes at hand. A person's own comes before a shipped one of the same name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    recipes: Vec<Recipe>,
}

impl Catalog {
    /// The recipes that hook ships.
    ///
    /// # Panics
    /// When a shipped recipe cannot be read, which the tests rule out.
    pub fn shipped() -> Self {
        let read = |(slug, text): &(&str, &str)| match Recipe::parse(slug, text) {
            Ok(recipe) => recipe,
            Err(error) => unreachable!("recipes/{slug}.toml: {error}"),
        };
        Catalog { recipes: RECIPES.iter().map(read).collect() }
    }

    /// Adds a person's own recipe, which takes the place of one of the same slug.
    ///
    /// # Errors
    /// When the text is not a recipe.
    pub fn add(&mut self, slug: &str, text: &str) -> Result<(), RecipeError> {
        let recipe = Recipe::parse(slug, text)?;
        self.recipes.retain(|known| known.slug != slug);
        self.recipes.push(recipe);
        self.recipes.sort_by(|a, b| a.slug.cmp(&b.slug));
        Ok(())
    }

    pub fn get(&self, slug: &str) -> Option<&Recipe> {
        self.recipes.iter().find(|recipe| recipe.slug == slug)
    }

    /// In the order of their slugs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Recipe> {
        self.recipes.iter()
    }
}

/// The texts of the shipped recipes by slug, for whoever wants to write one like them.
pub fn shipped_text(slug: &str) -> Option<&'static str> {
    RECIPES.iter().find(|(name, _)| *name == slug).map(|(_, text)| *text)
}

/// The text of a file of samples.
pub(crate) fn shipped_samples(slug: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(name, _)| *name == slug).map(|(_, text)| *text)
}
