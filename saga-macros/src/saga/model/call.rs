//! The calls in a body, and the placeholders that stand for them.

use proc_macro2::{Ident, Literal, Span, TokenTree};
use syn::{Expr, ExprAwait, Path};

/// One call of a step in the body.
pub(in crate::saga) struct Site {
    /// The path that is called, as the source spells it.
    pub(in crate::saga) path: String,
    pub(in crate::saga) span: Span,
    pub(in crate::saga) refusal: Refusal,
    /// The call in the words of the source, if it looks like a wait.
    pub(in crate::saga) wait: Option<String>,
    /// The constants of the events that it waits for. Empty if the source names another expression.
    pub(in crate::saga) events: Vec<Path>,
}

/// The use of the refusal of an awaited step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::saga) enum Refusal {
    /// It ends the saga, by a `?` or as the saga's result.
    Ends,
    /// The body looks at it.
    IsHandled,
}

/// The source that a placeholder stands for. Expressions in it may have placeholders of their own.
pub(in crate::saga) enum Placeholder {
    /// `charge(cx, &order).await`
    Step { site: usize, awaited: ExprAwait },
    /// The placeholder of a step whose result is that of the saga.
    Result { site: usize, step: Expr },
    /// `try_join!(charge(cx, &order), reserve(cx, &order))`, and the `?` behind it if there is one.
    Group {
        /// The site and the call of each member.
        members: Vec<(usize, Expr)>,
        results: Results,
        first: First,
    },
    /// `try_join_all(8, &articles, |article| reserve(cx, article)).await`
    FanOut { site: usize, awaited: ExprAwait },
    /// The call in the closure of a fan-out.
    ForEach { site: usize, call: Expr },
    /// The context, as the first argument of an awaited call.
    Context(Ident),
    /// A call of this function that gets the context without being awaited.
    NotAwaited(Expr),
    /// A wrong call of this function. Nothing calls the function, but its import must not become a warning.
    NotCalled(Expr),
    /// An expression that breaks a rule.
    Mistake,
}

impl Placeholder {
    /// The expression that stands in the body: a number. No source parses to it.
    pub(in crate::saga) fn expr(number: usize, span: Span) -> Expr {
        let mut number = Literal::usize_unsuffixed(number);
        number.set_span(span);
        Expr::Verbatim(TokenTree::from(number).into())
    }

    /// The number of a placeholder; `None` if `node` is any other expression.
    pub(in crate::saga) fn number(node: &Expr) -> Option<usize> {
        let Expr::Verbatim(tokens) = node else {
            return None;
        };
        let mut tokens = tokens.clone().into_iter();
        match (tokens.next(), tokens.next()) {
            (Some(TokenTree::Literal(number)), None) => number.to_string().parse().ok(),
            _ => None,
        }
    }
}

/// The effect of the first refusal in a group, in the order of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::saga) enum First {
    /// It ends the saga, by a `?` behind the group.
    EndsTheSaga,
    /// It is the value of the group, and ends the saga.
    IsTheResult,
    /// It is the value of the group, and the body looks at it.
    IsHandled,
}

impl First {
    /// The use of the refusal of each member.
    pub(in crate::saga) fn refusal(self) -> Refusal {
        match self {
            Self::EndsTheSaga | Self::IsTheResult => Refusal::Ends,
            Self::IsHandled => Refusal::IsHandled,
        }
    }
}

/// The nesting of a group's results: `try_join!(a, try_join!(b, c))` gives `(a, (b, c))`.
pub(in crate::saga) enum Results {
    /// The result of the member with this index in the group.
    Of(usize),
    All(Vec<Results>),
}
