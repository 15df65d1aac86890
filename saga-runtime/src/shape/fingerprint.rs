//! The fingerprint of a saga's definition: equal for definitions with the same steps in the same order.

use crate::shape::{Node, Shape};

/// FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo, 1991). It must never change: journals store fingerprints.
struct Hash(u64);

impl Hash {
    const START: Self = Self(0xcbf2_9ce4_8422_2325);

    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn nodes(&mut self, nodes: &[Node]) {
        self.text("(");
        for node in nodes {
            match node {
                Node::Step(step) => {
                    self.text("step");
                    self.text(step.name);
                    self.text(step.kind.name());
                }
                Node::Branch(arms) => {
                    self.text("branch");
                    for arm in arms {
                        self.nodes(&arm.body);
                    }
                }
                Node::Loop(each) => {
                    self.text("loop");
                    self.nodes(&each.body);
                }
                Node::Group(members) => {
                    self.text("group");
                    self.nodes(members);
                }
                Node::FanOut(each) => {
                    self.text("fan_out");
                    self.nodes(&each.body);
                }
                Node::Saga(saga) => {
                    self.text("saga");
                    self.text(saga.name);
                    self.nodes(&saga.body);
                }
                Node::Handled(part) => {
                    self.text("handled");
                    self.nodes(part);
                }
                Node::Wait(wait) => {
                    self.text("wait");
                    self.text(wait.name);
                }
                Node::Return => self.text("return"),
            }
        }
        self.text(")");
    }
}

impl Shape {
    /// Computes the fingerprint of the definition. The names, kinds, order and structure of the steps count; retries
    /// and timeouts do not. Equal definitions have equal fingerprints in every process and every version of this
    /// library.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Hash::START;
        hash.nodes(&self.body);
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::RetryPolicy;
    use crate::meta::SagaMeta;
    use crate::meta::{Kind, StepMeta};
    use crate::shape::Arm;

    const CHARGE: StepMeta = StepMeta::new("charge", Kind::Compensatable);
    const SHIP: StepMeta = StepMeta::new("ship", Kind::Pivot);

    fn fingerprint(body: Vec<Node>) -> u64 {
        let saga = SagaMeta::new("place_order");
        Shape { saga, body }.fingerprint()
    }

    #[test]
    fn a_fingerprint_never_changes() {
        let body = vec![Node::Step(CHARGE), Node::Step(SHIP)];
        assert_eq!(fingerprint(body), GOLDEN);
    }

    const GOLDEN: u64 = 0xe20d_e79c_b3ea_4606;

    #[test]
    fn names_order_kinds_and_branches_count_and_policies_do_not() {
        let step = Node::Step;
        let retried = CHARGE.retry(RetryPolicy::attempts(9));
        let pivot = StepMeta::new("charge", Kind::Pivot);
        let arm = |when, body| Arm { when, body };
        let branch = Node::Branch(vec![arm("a", vec![step(SHIP)]), arm("else", vec![])]);
        let same = fingerprint(vec![step(retried), step(SHIP)]);
        assert_eq!(same, fingerprint(vec![step(CHARGE), step(SHIP)]));
        let others = [
            vec![step(SHIP), step(CHARGE)],
            vec![step(pivot), step(SHIP)],
            vec![step(CHARGE), branch],
            vec![step(CHARGE), step(SHIP), Node::Return],
            vec![step(CHARGE)],
        ];
        for (index, other) in others.into_iter().enumerate() {
            assert_ne!(same, fingerprint(other), "{index}");
        }
    }
}
