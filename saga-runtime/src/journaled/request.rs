//! Requests steps whose outcome is not written down yet, and pursues them until it is settled.

use std::sync::atomic::AtomicBool;

use super::around::Around;
use super::note::unrecordable;
use super::{Journaled, call, stopped_for};
use crate::asking::Directly;
use crate::attempt::{Attempted, attempt_step};
use crate::decision::is_definite;
use crate::engine::{ErrorRecord, Settlement, StepEnd, Why};
use crate::journal::{Event, Settled};
use crate::place::{Attempt, Position, Role};
use crate::pursuit::{Begin, Pursuit};
use crate::recorder::LetGo;
use crate::step::{Kind, Step};

impl Journaled {
    /// Requests the step `S`: nothing about its outcome is written down yet.
    pub(super) async fn request<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        if let Err(let_go) = self.recorder.write().await {
            return StepEnd::Suspended(let_go);
        }
        if self.recorder.tenure().shutdown.is_cancelled() {
            return StepEnd::Suspended(LetGo::Shutdown);
        }
        let call = call(position);
        let in_doubt = self.take_in_doubt(position.calls());
        let begin = match self.control.interruption() {
            Some(interruption) if in_doubt => Begin::Interrupted(interruption),
            Some(interruption) => return StepEnd::interrupted(interruption, Settlement::Nothing),
            None => {
                if S::META.kind == Kind::Retriable {
                    self.control.go_forward_only();
                }
                if in_doubt {
                    Begin::InDoubt
                } else {
                    let attempt = Attempt::new(position, Role::Action, 1);
                    let limit = Some(self.limit(S::META.timeout));
                    match attempt_step::<S>(services, &attempt, args.clone(), limit).await {
                        Attempted::Done(output) => return self.done::<S>(call, 1, output),
                        Attempted::Refused(error) if is_definite::<S>(&error) => {
                            return self.refused::<S>(call, 1, error, errors);
                        }
                        other => Begin::After(other),
                    }
                }
            }
        };
        self.pursue::<S>(position, services, args, errors, begin)
            .await
    }

    /// Pursues the step `S` until its outcome is settled, and notes it.
    pub(super) async fn pursue<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        errors: ErrorRecord<S::Error>,
        begin: Begin<S::Output, S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let around = Around {
            engine: self,
            call: call(position),
            is_settling: AtomicBool::new(matches!(begin, Begin::Settling(_))),
        };
        let pursuit = Pursuit::<S> {
            position,
            services,
            errors,
        };
        let (end, attempts) = pursuit.run(&Directly::NEW, &around, args, begin).await;
        let Around {
            call, is_settling, ..
        } = around;
        let is_settling = is_settling.into_inner();
        match end {
            // Between two attempts, of which the first may have done something.
            StepEnd::Suspended(let_go) => {
                self.set_in_doubt(position.calls(), !is_settling);
                StepEnd::Suspended(let_go)
            }
            StepEnd::Done(output) => self.done::<S>(call, attempts, output),
            StepEnd::Refused(error) => self.refused::<S>(call, attempts, error, errors),
            StepEnd::Stopped(stopped) => {
                self.note_stopped::<S>(call, attempts, &stopped, errors, is_settling);
                StepEnd::Stopped(stopped)
            }
        }
    }

    /// Asks a pivot again that an operator wants to be asked again: if it was done after all, the saga goes forward.
    pub(super) async fn ask_pivot<S: Step>(
        &self,
        position: Position<'_>,
        services: &S::Services,
        args: S::Args<'_>,
        why: Why<S::Error>,
    ) -> StepEnd<S::Output, S::Error, LetGo> {
        let around = Around {
            engine: self,
            call: call(position),
            is_settling: AtomicBool::new(true),
        };
        let pursuit = Pursuit::<S> {
            position,
            services,
            errors: ErrorRecord::Text,
        };
        let (end, attempts) = pursuit
            .run(&Directly::NEW, &around, args, Begin::InDoubt)
            .await;
        let step = around.call;
        let (settled, end) = match end {
            StepEnd::Done(output) => match self.payload(&output) {
                Ok(json) => (Settled::Done { output: json }, StepEnd::Done(output)),
                Err(message) => return StepEnd::Suspended(unrecordable(&step, &message)),
            },
            StepEnd::Stopped(stopped) => match stopped.settlement {
                Settlement::Unresolved(failure) => {
                    let settled = Settled::Unresolved {
                        attempts,
                        message: failure.message.clone(),
                    };
                    let settlement = Settlement::Unresolved(failure);
                    (settled, stopped_for(why, settlement))
                }
                _ => (Settled::Nothing, stopped_for(why, Settlement::Nothing)),
            },
            StepEnd::Refused(_) => (Settled::Nothing, stopped_for(why, Settlement::Nothing)),
            suspended @ StepEnd::Suspended(_) => return suspended,
        };
        self.recorder.note(Event::StepSettled { step, settled });
        if let StepEnd::Done(_) = end {
            self.control.go_forward_only();
        }
        end
    }
}
