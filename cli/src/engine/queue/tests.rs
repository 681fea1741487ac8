use super::*;

fn id(n: u128) -> EventId {
    EventId::from_parts(1, n)
}

fn live(queue: &mut Queue<char>, n: u128, name: char) -> Ticket {
    let ticket = queue.expect_live(id(n));
    assert_eq!(queue.fill_live(ticket, name), None);
    ticket
}

fn caught_up(live: usize, owed: usize) -> Queue<char> {
    let mut queue = Queue::new(live, owed);
    queue.caught_up();
    queue
}

#[test]
fn what_is_owed_goes_first_one_at_a_time_in_order_of_arrival() {
    let mut queue = caught_up(2, 1);
    queue.push_owed(id(9), 1);
    queue.push_owed(id(3), 2);
    assert!(!live(&mut queue, 10, 'a').placed);
    assert_eq!(queue.next(), Some(Next::Owed(id(3), 2)));
    assert_eq!(queue.next(), None);
    queue.let_go(id(3));
    queue.owed_done();
    assert_eq!(queue.next(), Some(Next::Owed(id(9), 1)));
    queue.let_go(id(9));
    queue.owed_done();
    assert_eq!(queue.next(), Some(Next::Live('a')));
    assert!(live(&mut queue, 11, 'b').placed);
    assert!(!live(&mut queue, 12, 'c').placed, "two run already");
}

#[test]
fn one_at_a_time_means_both_kinds_together() {
    let mut queue = caught_up(1, 1);
    live(&mut queue, 1, 'a');
    queue.push_owed(id(2), 2);
    assert_eq!([queue.next(), queue.next()], [Some(Next::Live('a')), None]);
    queue.live_done();
    assert_eq!(queue.next(), Some(Next::Owed(id(2), 2)));
}

#[test]
fn live_events_start_in_order_of_arrival_whichever_is_journaled_first() {
    let mut queue = caught_up(2, 1);
    let tickets: Vec<Ticket> = (1..=3).map(|n| queue.expect_live(id(n))).collect();
    assert_eq!(tickets.iter().map(|t| t.placed).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(queue.fill_live(tickets[1], 'b'), None);
    assert_eq!(queue.fill_live(tickets[2], 'c'), None);
    assert_eq!(queue.next(), None);
    assert_eq!(queue.fill_live(tickets[0], 'a'), None);
    assert_eq!([queue.next(), queue.next(), queue.next()], [Some(Next::Live('a')), Some(Next::Live('b')), None]);
    queue.live_done();
    assert_eq!(queue.next(), Some(Next::Live('c')));
}

#[test]
fn a_live_event_that_turns_owed_has_its_place_among_the_owed() {
    let mut queue = Queue::new(2, 1);
    live(&mut queue, 1, 'a');
    let coming = queue.expect_live(id(2));
    queue.push_owed(id(3), 3);
    assert_eq!(queue.turn_owed(id(1), 1), Some('a'));
    assert_eq!(queue.turn_owed(id(2), 2), None, "it is not in the journal yet");
    assert_eq!(queue.fill_live(coming, 'b'), Some(('b', Some(2))));
    live(&mut queue, 4, 'c');
    queue.caught_up();
    assert_eq!(queue.next(), None, "older ones are on their way");
    queue.put_back(id(2), 2);
    assert_eq!(queue.next(), None, "an older one is on its way");
    queue.put_back(id(1), 1);
    for n in 1..=3 {
        assert_eq!(queue.next(), Some(Next::Owed(id(n), n as u64)));
        queue.let_go(id(n));
        queue.owed_done();
    }
    assert_eq!((queue.next(), queue.next()), (Some(Next::Live('c')), None));
}

#[test]
fn a_second_hand_over_that_is_journaled_first_does_not_let_younger_ones_pass() {
    let mut queue = caught_up(1, 1);
    let first = queue.expect_live(id(1));
    queue.expect_owed(id(1));
    queue.expect_owed(id(2));
    assert!(first.placed);
    assert_eq!([queue.turn_owed(id(1), 1), queue.turn_owed(id(2), 2)], [None, None]);
    assert_eq!(queue.next(), None, "the first hand-over is about to be sent");
    // It turns out to be known.
    assert_eq!(queue.known_owed(Place::Live(first), id(1), 1), None);
    assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
    queue.let_go(id(1));
    queue.owed_done();
    assert_eq!(queue.next(), Some(Next::Owed(id(2), 2)));
}

#[test]
fn one_that_is_not_in_the_journal_yet_and_turns_owed_holds_younger_ones_back() {
    for comes in [true, false] {
        let mut queue = caught_up(1, 1);
        live(&mut queue, 1, 'a');
        let second = queue.expect_live(id(2));
        assert_eq!(queue.next(), Some(Next::Live('a')));
        assert_eq!([queue.turn_owed(id(2), 2), queue.turn_owed(id(3), 3)], [None, None]);
        queue.let_go(id(1));
        queue.live_done();
        assert_eq!(queue.next(), None, "an older one is on its way");
        if comes {
            assert_eq!(queue.fill_live(second, 'b'), Some(('b', Some(2))));
            assert_eq!(queue.next(), None);
            queue.put_back(id(2), 2);
        } else {
            queue.drop_live(second, id(2));
        }
        assert_eq!(queue.next(), Some(Next::Owed(id(2), 2)));
        queue.let_go(id(2));
        queue.owed_done();
        assert_eq!(queue.next(), Some(Next::Owed(id(3), 3)));
    }
}

#[test]
fn live_events_that_were_too_early_wait_in_their_order_behind_what_is_owed() {
    let mut queue = caught_up(2, 1);
    queue.down = true;
    queue.push_owed(id(1), 1);
    let tickets: Vec<Ticket> = (2..=4).map(|n| queue.expect_live(id(n))).collect();
    tickets.iter().zip(['a', 'b', 'c']).for_each(|(ticket, name)| assert_eq!(queue.fill_live(*ticket, name), None));
    assert_eq!([queue.next(), queue.next()], [Some(Next::Live('a')), Some(Next::Live('b'))]);
    queue.down = false;
    for (n, name) in [(3, 'b'), (2, 'a')] {
        queue.put_back_live(id(n), tickets[n as usize - 2], name);
        queue.live_done();
    }
    assert_eq!([queue.next(), queue.next()], [Some(Next::Owed(id(1), 1)), None]);
    queue.let_go(id(1));
    queue.owed_done();
    assert_eq!([queue.next(), queue.next(), queue.next()], [Some(Next::Live('a')), Some(Next::Live('b')), None]);
    queue.live_done();
    assert_eq!(queue.next(), Some(Next::Live('c')));
}

#[test]
fn one_that_does_not_come_holds_up_nobody() {
    let mut queue = caught_up(1, 1);
    let first = queue.expect_live(id(1));
    live(&mut queue, 2, 'b');
    assert_eq!(queue.next(), None);
    queue.drop_live(first, id(1));
    assert_eq!(queue.next(), Some(Next::Live('b')));
}

#[test]
fn what_is_on_its_way_to_be_owed_goes_before_what_is_younger() {
    let mut queue = caught_up(1, 1);
    queue.expect_owed(id(1));
    queue.expect_owed(id(2));
    live(&mut queue, 3, 'a');
    queue.push_owed(id(2), 2);
    assert_eq!(queue.next(), None);
    queue.push_owed(id(1), 1);
    assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
    queue.let_go(id(1));
    queue.owed_done();
    assert_eq!(queue.next(), Some(Next::Owed(id(2), 2)));
    queue.let_go(id(2));
    queue.owed_done();
    assert_eq!(queue.next(), Some(Next::Live('a')));
}

#[test]
fn live_events_wait_until_the_relay_has_handed_over_what_is_older() {
    let mut queue = Queue::new(2, 1);
    live(&mut queue, 1, 'a');
    assert_eq!(queue.next(), None);
    queue.caught_up();
    assert_eq!(queue.next(), Some(Next::Live('a')));
}

#[test]
fn while_the_app_is_down_live_events_are_told_and_owed_ones_wait() {
    let mut queue = caught_up(2, 1);
    queue.down = true;
    queue.push_owed(id(1), 1);
    live(&mut queue, 2, 'a');
    assert_eq!(queue.next(), Some(Next::Live('a')));
    assert_eq!(queue.next(), None);
}

#[test]
fn what_somebody_has_in_hand_is_not_queued_again() {
    let mut queue = caught_up(2, 2);
    queue.expect_live(id(1));
    queue.push_owed(id(1), 1);
    assert_eq!(queue.next(), None);
    queue.put_back(id(1), 1);
    assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
    queue.push_owed(id(1), 1);
    assert_eq!(queue.next(), None);
    queue.let_go(id(1));
    queue.owed_done();
    queue.push_owed(id(1), 1);
    assert_eq!(queue.next(), Some(Next::Owed(id(1), 1)));
}

#[test]
fn nothing_starts_in_a_queue_that_was_stopped() {
    let mut queue = caught_up(2, 1);
    live(&mut queue, 1, 'a');
    let coming = queue.expect_live(id(2));
    queue.stop();
    assert_eq!(queue.fill_live(coming, 'b'), Some(('b', None)));
    assert_eq!(queue.next(), None);
}

#[test]
fn beyond_the_limit_the_newest_are_taken_out() {
    let mut queue = caught_up(2, 1);
    (1..=5).for_each(|n| queue.push_owed(id(n), n as u64));
    assert_eq!(queue.beyond(3), [5, 4]);
    assert_eq!(queue.owed_len(), 3);
}
