//! Called sagas: their lanes, and what is undone when one of them has failed.

use super::*;

#[test]
fn a_part_is_undone_if_a_call_in_it_or_around_it_has_failed() {
    for (failure, undone_call, follows) in [
        (refused(part("pack/book")), "pack/charge", true),
        (in_doubt(part("pack/book")), "pack/charge", true),
        (refused(part("pack/book")), "pack/box/charge", true),
        (refused(part("book")), "pack/box/charge", true),
        // A failure inside of a part, or beside it, is handled there.
        (refused(part("pack/box/book")), "pack/charge", false),
        (refused(part("pack/book")), "other/charge", false),
        (refused(part("pack/book")), "charge", false),
        (done(part("pack/book")), "pack/charge", false),
    ] {
        let events = [done(part(undone_call)), failure, undone(part(undone_call))];
        let misfit = (!follows).then_some(3);
        assert_eq!(first_misfit(&events), misfit, "{events:?}");
    }
}

#[test]
fn the_sagas_that_were_called() {
    let called = |events: &[Event]| {
        let mut called: Vec<_> = followed(events).called_sagas().into_iter().collect();
        called.sort_unstable();
        called.join(" ")
    };
    let attempts_fail = failing(part("ship/book"), AttemptPhase::Forward);
    assert_eq!(called(&[]), "");
    assert_eq!(called(&[done(call(&CHARGE))]), "");
    assert_eq!(called(&[done(part("pack/charge"))]), "pack");
    assert_eq!(called(&[done(part("pack/box/charge"))]), "pack pack/box");
    assert_eq!(called(&[attempts_fail]), "ship");
}
