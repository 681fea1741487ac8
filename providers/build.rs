//! Finds the recipes and the samples, so that a provider is added by adding its files.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let code = table("RECIPES", "recipes", "toml")? + &table("SAMPLES", "samples", "sample")?;
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("recipes.rs"), code)
}

/// The texts of a folder by the names of their files, as a table.
fn table(name: &str, folder: &str, extension: &str) -> io::Result<String> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join(folder);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<io::Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == extension));
    files.sort();
    let mut code = format!("static {name}: &[(&str, &str)] = &[\n");
    for file in &files {
        let slug = file.file_stem().unwrap_or_default();
        code += &format!("    ({:?}, include_str!({:?})),\n", slug.display().to_string(), file.display().to_string());
    }
    Ok(code + "];\n")
}
