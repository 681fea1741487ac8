//! What may happen, in which order a case has it happen, and under which settings.

use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens; one that cannot happen now does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A sender's request, of about so many bytes.
    Send(usize),
    SenderLeaves,
    /// The inbox commits the oldest append that waits for it.
    Fsync,
    /// Frames travel one at a time, or as they come.
    Flow(bool),
    /// The oldest frame reaches the CLI in this place.
    ToCli(usize),
    /// The oldest frame of the CLI in this place reaches the relay.
    ToRelay(usize),
    /// The journal is fsynced, so that acks leave.
    JournalFsync,
    AppAnswers,
    AppBreaksOff,
    AppDown,
    AppUp,
    KillRelay,
    StartRelay,
    /// In a place: 0 and 1 want the endpoint, 2 is a mirror.
    KillCli(usize),
    StartCli(usize),
    /// The power of the CLIs' machine fails: the journal is what was synced last.
    PowerCut,
    SessionDrops(usize),
    /// So many milliseconds pass.
    Time(u64),
}

/// Which rule the relay and the CLI keep. All but one were found to lose events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    #[default]
    Right,
    /// The inbox lets go of what was acked at any time and answered.
    Old,
    /// A reply by hook counts as the app's.
    Given,
}

#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The relay is in the CLI's process and keeps its inbox in memory.
    pub embedded: bool,
    pub hold: bool,
    pub respond: bool,
    pub one_at_a_time: bool,
    pub sent: Sent,
    pub rule: Rule,
}

/// What the senders send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sent {
    #[default]
    Events,
    /// Each event up to four times, under the same id of the provider's; the CLI settles duplicates (`--dedupe`).
    Duplicates,
    /// Questions that hook answers when the app does not.
    Handshakes,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub setup: Setup,
    pub steps: Vec<Step>,
}

pub fn plans(rule: Rule) -> impl Strategy<Value = Plan> {
    // The broken rules are looked for with what they were found with.
    let odd = u32::from(rule == Rule::Right);
    let sent =
        prop_oneof![2 => Just(Sent::Events), 2 * odd => Just(Sent::Duplicates), 2 * odd => Just(Sent::Handshakes)];
    let setup = (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>(), sent);
    let setup = setup.prop_map(move |(embedded, hold, respond, one_at_a_time, sent)| Setup {
        // The rules that lose events are about an inbox that outlives its CLI.
        embedded: embedded && rule == Rule::Right,
        hold,
        respond,
        one_at_a_time,
        sent,
        rule,
    });
    (setup, vec(step(), 8..40)).prop_map(|(setup, steps)| Plan { setup, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![6 => Just(0), 1 => Just(1000), 1 => Just(70_000), 1 => Just(1_200_000)];
    let place = || prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => Just(2)];
    let time = prop_oneof![4 => Just(300u64), 4 => Just(2_100), 1 => Just(21_000)];
    prop_oneof![
        6 => size.prop_map(Step::Send),
        1 => Just(Step::SenderLeaves),
        6 => Just(Step::Fsync),
        2 => any::<bool>().prop_map(Step::Flow),
        8 => place().prop_map(Step::ToCli),
        8 => place().prop_map(Step::ToRelay),
        3 => Just(Step::JournalFsync),
        3 => Just(Step::AppAnswers),
        1 => Just(Step::AppBreaksOff),
        1 => Just(Step::AppDown),
        2 => Just(Step::AppUp),
        1 => Just(Step::KillRelay),
        3 => Just(Step::StartRelay),
        2 => place().prop_map(Step::KillCli),
        4 => place().prop_map(Step::StartCli),
        1 => Just(Step::PowerCut),
        2 => place().prop_map(Step::SessionDrops),
        4 => time.prop_map(Step::Time),
    ]
}
