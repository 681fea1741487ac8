//! Finds the recipes, so that a provider is added by adding its file.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let recipes = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("recipes");
    println!("cargo::rerun-if-changed={}", recipes.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&recipes)?.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut code = String::from("static RECIPES: &[(&str, &str)] = &[\n");
    for file in &files {
        let slug = file.file_stem().unwrap_or_default();
        code += &format!("    ({:?}, include_str!({:?})),\n", slug.display().to_string(), file.display().to_string());
    }
    code += "];\n";
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("recipes.rs"), code)
}
