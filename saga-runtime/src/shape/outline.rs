//! A shape as an outline for people.

use std::fmt;

use crate::meta::{Kind, StepMeta};
use crate::shape::{HANDLED, Node, Shape};

/// An outline, one line for each node.
///
/// ```text
/// saga `place_order`
/// 1. create_order: compensated by cancel_order
/// 2. charge: compensated by refund
/// 3. one of
///    - order.is_large():
///      3.1. ship_by_freight: pivot
///    - else: nothing
/// ```
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saga `{}`", self.saga.name)?;
        outline(f, &self.body, "", "")
    }
}

fn outline(f: &mut fmt::Formatter<'_>, body: &[Node], indent: &str, prefix: &str) -> fmt::Result {
    for (index, node) in body.iter().enumerate() {
        let number = format!("{prefix}{}", index + 1);
        write!(f, "\n{indent}{number}. ")?;
        match node {
            Node::Step(step) => write!(f, "{}: {}", step.name, undone(step))?,
            Node::Wait(wait) => write!(f, "wait: {}", wait.what)?,
            Node::Return => write!(f, "return")?,
            Node::Group(members) => {
                write!(f, "at the same time")?;
                let indent = format!("{indent}     ");
                outline(f, members, &indent, &format!("{number}."))?;
            }
            Node::FanOut(each) => {
                write!(f, "{}", each.words())?;
                let indent = format!("{indent}     ");
                outline(f, &each.body, &indent, &format!("{number}."))?;
            }
            Node::Saga(saga) => {
                write!(f, "saga {}", saga.name)?;
                let indent = format!("{indent}     ");
                outline(f, &saga.body, &indent, &format!("{number}."))?;
            }
            Node::Handled(part) => {
                write!(f, "{HANDLED}")?;
                let indent = format!("{indent}     ");
                outline(f, part, &indent, &format!("{number}."))?;
            }
            Node::Loop(each) => {
                write!(f, "{}", each.of)?;
                let indent = format!("{indent}     ");
                outline(f, &each.body, &indent, &format!("{number}."))?;
            }
            Node::Branch(arms) => {
                write!(f, "one of")?;
                for arm in arms {
                    write!(f, "\n{indent}   - {}:", arm.when)?;
                    if arm.body.is_empty() {
                        write!(f, " nothing")?;
                    }
                    outline(
                        f,
                        &arm.body,
                        &format!("{indent}     "),
                        &format!("{number}."),
                    )?;
                }
            }
        }
    }
    Ok(())
}

/// The way in which the step is undone, in words.
pub(crate) fn undone(step: &StepMeta) -> String {
    match (step.kind, step.compensation, step.resolver) {
        (Kind::Compensatable, Some(compensation), None) => format!("compensated by {compensation}"),
        (Kind::Compensatable, Some(compensation), Some(resolver)) => {
            format!("compensated by {compensation}, in doubt resolved by {resolver}")
        }
        (kind, ..) => kind.to_string(),
    }
}
