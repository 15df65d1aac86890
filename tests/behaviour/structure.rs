//! Loops, groups, fan-outs, sagas inside of sagas, and waits: their steps, the order of their compensations, their keys.

mod fan_out;
mod first_of;
mod groups;
mod inner;
mod loops;
mod waits;

use crate::participant::Participant;

/// The keys of the requests for `what`, in order.
fn keys(participant: &Participant, what: &str) -> Vec<String> {
    let requests = participant.requests(what);
    requests.into_iter().map(|request| request.key).collect()
}

/// The keys of the steps whose compensations were asked for, in order.
fn undone(participant: &Participant) -> Vec<String> {
    let requests = participant.all_requests();
    let undone = requests
        .into_iter()
        .filter(|request| request.what.starts_with("undo"));
    undone.map(|request| request.action_key).collect()
}
