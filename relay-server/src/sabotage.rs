//! Deliberate faults for the negative controls: a test that sees no loss must be shown to see it when the promise is broken.
//! Built only with `--cfg hook_sabotage`; `HOOK_SABOTAGE` then names the fault.

#[cfg(not(debug_assertions))]
compile_error!("a release never has sabotage in it: build without --cfg hook_sabotage");

pub fn is(fault: &str) -> bool {
    std::env::var("HOOK_SABOTAGE").is_ok_and(|chosen| chosen == fault)
}
