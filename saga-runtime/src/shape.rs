//! The shape of a saga: its steps and branches as data, to be read, compared and drawn without running anything.

mod dot;
mod mermaid;
mod outline;

use crate::order::Site;
use crate::saga::{Saga, SagaMeta};
use crate::step::{Step, StepMeta};

/// The steps and branches of a saga. `Display` prints it as an outline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shape {
    /// The saga's name and options.
    pub saga: SagaMeta,
    /// What its body does, in order.
    pub body: Vec<Node>,
}

/// One piece of a saga's body.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Node {
    /// A step is called.
    Step(StepMeta),
    /// One of several ways is taken.
    Branch(Vec<Arm>),
    /// The body returns here.
    Return,
}

/// One way through a branch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arm {
    /// When it is taken, in the words of the source.
    pub when: &'static str,
    /// What is done then.
    pub body: Vec<Node>,
}

impl Shape {
    /// The shape of the saga `G` with this body.
    #[must_use]
    pub fn new<G: Saga>(body: Vec<Node>) -> Self {
        Self {
            saga: G::META,
            body,
        }
    }

    /// Its steps in the order of the source, those of all branches.
    pub fn steps(&self) -> impl Iterator<Item = &StepMeta> {
        let mut steps = Vec::new();
        collect(&self.body, &mut steps);
        steps.into_iter()
    }
}

fn collect<'a>(body: &'a [Node], steps: &mut Vec<&'a StepMeta>) {
    for node in body {
        match node {
            Node::Step(step) => steps.push(step),
            Node::Branch(arms) => arms.iter().for_each(|arm| collect(&arm.body, steps)),
            Node::Return => {}
        }
    }
}

/// The step of a call.
#[doc(hidden)]
#[must_use]
pub fn step<S: Step>(_: Site<S>) -> Node {
    Node::Step(S::META)
}

/// One way through a branch.
#[doc(hidden)]
#[must_use]
pub fn arm(when: &'static str, body: Vec<Node>) -> Arm {
    Arm { when, body }
}
