#!/usr/bin/env python3
"""What an editor makes of `#[step]` and `saga!`: drives rust-analyzer over its protocol, and prints a table.

    tests/editor/check.py [--rust-analyzer PATH] [--folder FOLDER] [FILTER]

It makes a crate of `sample.rs` in FOLDER, `target/editor` by default, so that a second run is quick. The toolchain of
rust-analyzer needs the component rust-src: without it an editor does not know the standard library.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

from lsp import Refused, Server, uri

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

MANIFEST = """[package]
name = "sample"
version = "0.0.0"
edition = "2024"

[dependencies]
saga-runtime = {{ path = "{runtime}", default-features = false }}
serde = {{ version = "1", features = ["derive"] }}

[workspace]
"""

# What is typed at a place of the sample (`^` is the cursor), what the list has to have, and what it must not have.
COMPLETIONS = [
    ("body: names of steps", "// line", "let next = cha^", ["charge"], []),
    ("body: names of steps, last line", "Ok(payment)\n    }\n);\n\nsaga!(\n    pub", "cha^\n    }\n);\n\nsaga!(\n    pub", ["charge"], []),
    ("body: names of sagas", "// after the waits", "let next = place_o^", ["place_order"], []),
    ("body: names of variables", "// line", "let next = charge(cx, &ord^", ["order"], []),
    ("body: names of variables in a complete call", "// line", "let next = charge(cx, &ord^).await?;", ["order"], []),
    ("body: fields of an output", "// line", "let next = order.^", ["number", "total", "articles"], []),
    ("body: fields, nothing else on the line", "// line", "order.^", ["number", "total"], []),
    ("body: fields in an argument", "// line", "let held = reserve(cx, order.^).await?;", ["articles", "total"], []),
    ("body: fields in an open argument", "// line", "let held = reserve(cx, order.^", ["articles", "total"], []),
    ("body: methods of an output", "// line", "if order.is^", ["is_large"], []),
    ("body: methods of an error", "// in the match", "error.^", ["is_transient"], []),
    ("body: `.await` of a call", "// line", "let next = charge(cx, &order).^", ["await"], []),
    ("body: fields behind `.await?`", "// line", "charge(cx, &order).await?.^", ["amount", "number"], []),
    ("body: `cx.` has no services", "// line", "let now = cx.^", ["now", "uuid", "saga_id"], ["payments"]),
    ("`try_join!`: names of steps", '"right".to_owned()))?;', '"right".to_owned()), res^)?;', ["reserve"], []),
    ("`try_join!`: fields in an argument", 'reserve(cx, "right".to_owned()))?;', 'reserve(cx, order.^))?;', ["articles"], []),
    ("`try_join!`: its outputs", "// after the groups", "left.^", ["checked_add"], []),
    ("`try_join_all`: methods of an item", "// in the closure", "article.^", ["len", "push_str"], []),
    ("`try_join_all`: names of steps", "reserve(cx, article)\n", "res^\n", ["reserve"], []),
    ("`try_join_all`: its outputs", "// after the groups", "counts.^", ["len", "iter"], []),
    ("loop: methods of an output", "// in the loop", "held.^", ["checked_add"], []),
    ("loop: names of steps", "// in the loop", "res^", ["reserve"], []),
    ("`match`: names of steps", "return Err(error);", "cha^", ["charge"], []),
    ("`match` that is not finished", "// line", "match charge(cx, &order).await { Ok(paid) => paid.^ }", ["amount"], []),
    ("the value of an event", "// after the waits", "approved.^", ["total", "is_large"], []),
    ("the output of a sub-saga", "// after the waits", "inner.^", ["amount"], []),
    ("the struct of a saga: its fields", "PlaceOrder { total: 3 }", "PlaceOrder { ^ }", ["total"], []),
    ("the struct of a saga: its methods", "execute(shop).await.ok()", "^", ["execute"], []),
    ("step: fields of services", "let payment = cx.payments", "let limit = cx.^\n    let payment = cx.payments", ["payments"], []),
    ("step: fields of an input", "Ok(payment)\n}", "order.^\n    Ok(payment)\n}", ["total"], []),
    ("step: its own context", "let payment = cx.payments", "let key = cx.idem^\n    let payment = cx.payments", ["idempotency_key"], []),
    ("option: `compensate = …`", "compensate = refund", "compensate = refu^", ["refund"], []),
    ("option: `when = …`", "PaymentError::is_transient))]", "PaymentError::is^))]", ["is_transient"], []),
    ("option: its name", "compensate = refund, ", "com^, ", ["compensate"], []),
    ("option: the names in `retry(…)`", "attempts = 3, when", "attempts = 3, give^, when", ["give_up_after"], []),
    ("option: `compensate = …`, nothing typed yet", "compensate = refund", "compensate = ^", ["refund"], []),
]

# The place of a word (`^` is before it), and the places to which its definition leads.
DEFINITIONS = [
    ("a call in a body", "let payment = ^charge(cx", ["pub async fn charge"]),
    ("a call in `try_join!`", "try_join!(^reserve(", ["pub async fn reserve"]),
    ("a call in `try_join_all`", "^reserve(cx, article)", ["pub async fn reserve"]),
    ("a call in a loop", "let held = ^reserve(", ["pub async fn reserve"]),
    ("a call that `match` handles", "match ^charge(cx", ["pub async fn charge"]),
    ("a call in an arm", "=> ^charge(cx", ["pub async fn charge"]),
    ("a sub-saga in a body", "let inner = ^place_order(", ["pub async fn place_order"]),
    ("`compensate = refund`", "compensate = ^refund", ["pub async fn refund"]),
    ("`when = PaymentError::is_transient`", "when = PaymentError::^is_transient", ["pub fn is_transient"]),
    ("a variable of a body", "charge(cx, &^order).await?;\n        // line", ["let order = create_order"]),
    ("an input of a saga", "create_order(cx, ^total).await?;\n        let payment", ["pub async fn place_order"]),
    ("a type in the signature of a saga", "total: u64) -> Result<^Payment, PaymentError> {\n        let order = create_order(cx, total).await?;\n        let payment", ["pub struct Payment {"]),
    ("the struct of a saga", "^PlaceOrder { total: 3 }", ["pub async fn place_order"]),
    ("the services in a step", "cx.^payments.create", ["pub payments: Payments"]),
]

# The place of a word, and what the text has to have.
HOVERS = [
    ("`let` of a step", "let ^payment = charge(cx", "let payment: Payment"),
    ("`let` of a `try_join!`", "let (^left", "let left: u64"),
    ("`let` of a `try_join_all`", "let ^counts", "let counts: Vec<u64>"),
    ("the item of a `try_join_all`", "try_join_all(4, articles, |^article|", "article: String"),
    ("`let` in a loop", "let ^held", "let held: u64"),
    ("a pattern of a `match`", "Err(^error) if", "error: PaymentError"),
    ("`let` of a `match`", "let ^payment = match", "let payment: Payment"),
    ("`let` of an event", "let ^approved", "let approved: Order"),
    ("`let` of a sub-saga", "let ^inner", "let inner: Payment"),
    ("`cx` in a body", "charge(^cx, &order).await?;\n        // line", "SagaContext<'_, Shop>"),
    ("a call of a step", "let payment = ^charge(cx", "Result<Payment, PaymentError>"),
    ("a call of a step: its documentation", "let payment = ^charge(cx", "Takes the money."),
    ("a call of a saga: its signature", "let inner = ^place_order(", "total: u64"),
    ("an option: its documentation", "^compensate = refund", "undone by"),
    ("an option in `retry(…)`: its documentation", "^attempts = 3", "the most attempts"),
    ("`let` in a step", "let ^payment = cx.payments", "let payment: Payment"),
    ("the struct of a saga: its documentation", "^PlaceOrder { total: 3 }", "Sells one order."),
    ("`#[step]`: its documentation", "#[^step(compensate = refund", "Makes a step of a free"),
    ("`saga!`: its documentation", "^saga!(\n    /// Sells", "Makes a saga of an"),
]

# The place of a word, its new name, and the lines that change.
RENAMES = [
    ("a step, at its function", "pub async fn ^charge", "take", 4),
    ("a step, at a call", "let payment = ^charge(cx", "take", 4),
    ("a step of `try_join!` and `try_join_all`, at its function", "pub async fn ^reserve", "hold", 5),
    ("a compensation, at its function", "pub async fn ^refund", "give_back", 2),
    ("a compensation, in `compensate = …`", "compensate = ^refund", "give_back", 2),
    ("a test of errors, at its function", "pub fn ^is_transient", "is_brief", 3),
    ("a variable of a body", "let ^payment = charge(cx", "paid", 3),
    ("`cx` of a body", "place_order(^cx: Context", "context", 4),
    ("a sub-saga, at its function", "pub async fn ^place_order", "sell_order", 2),
    ("an input of a saga, and its field", "place_order(cx: Context<'_, Shop>, ^total", "sum", 3),
    ("a field of an output", "pub ^total: u64,\n    pub articles", "sum", 6),
]

# What is changed in the sample, and the words to which errors may point. Each is one mistake.
MISTAKES = [
    ("none: no error is shown", "// line", "// another line", None, 0),
    ("a step that does not say how it is undone", "#[step(compensate = ())]", "#[step]", "#[step]"),
    ("an option that does not exist", "timeout = \"3s\"", "time_out = \"3s\"", "time_out"),
    ("an option without a value", "compensate = refund", "compensate", "compensate"),
    ("a compensation that does not exist", "compensate = refund", "compensate = refunds", "refunds"),
    ("services in a body", "// line", "if cx.payments.limit > 3 {}", "payments"),
    ("an await of what is no step", "// line", "report(cx, &payment).await?;", "report(cx, &payment)"),
    ("an await of a method", "// line", "shop.payments.create(3).await?;", "shop"),
    ("a step that is not awaited", "// line", "let next = charge(cx, &order);", "charge"),
    ("a step after a pivot", "let payment = charge(cx, &order).await?;\n        // line", "let payment = charge(cx, &order).await?;\n        send_receipt(cx, &payment).await?;\n        let next = create_order(cx, 3).await?;", "create_order"),
    ("a line that is not finished", "// line", "let next = order.", None),
    ("a saga without a context", "place_order(cx: Context<'_, Shop>", "place_order(cx: &Shop", "&"),
    ("a wrong type in a body", "charge(cx, &order).await?;\n        // line", "charge(cx, &total).await?;\n        // line", "&total", 2),
    ("an unknown variable in a body", "charge(cx, &order).await?;\n        // line", "charge(cx, &orders).await?;\n        // line", "orders"),
    ("a wrong type in a plain function", "// in a plain function", "let sum: String = total;", "total", 2),
    ("an unknown field in a plain function", "// in a plain function", "let total = order.sum;", "sum"),
]


def position(text, offset):
    return {"line": text.count("\n", 0, offset), "character": offset - text.rfind("\n", 0, offset) - 1}


class Editor:
    def __init__(self, server, path):
        self.server = server
        self.path = str(path)
        self.text = path.read_text()
        server.open(self.path, self.text)

    def place(self, marked):
        """The place of the `^` in a piece of the sample."""
        before, after = marked.split("^", 1)
        offset = self.text.index(before + after) + len(before)
        return {"textDocument": {"uri": uri(self.path)}, "position": position(self.text, offset)}

    def edited(self, old, new):
        if self.text.count(old) < 1:
            raise ValueError(f"the sample has no {old!r}")
        return self.text.replace(old, new, 1)

    def completions(self, old, typed):
        marked = self.edited(old, typed.replace("^", "\0"))
        offset = marked.index("\0")
        text = marked.replace("\0", "")
        self.server.change(self.path, text)
        answer = self.server.request("textDocument/completion", {
            "textDocument": {"uri": uri(self.path)}, "position": position(text, offset)})
        self.server.change(self.path, self.text)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {item["label"].split("(")[0].split(" ")[0] for item in items}

    def line(self, location):
        path = pathlib.Path(location["uri"].removeprefix("file://"))
        lines = self.text.split("\n") if str(path) == self.path else path.read_text().split("\n")
        return lines[location["range"]["start"]["line"]].strip()

    def definitions(self, marked):
        answer = self.server.request("textDocument/definition", self.place(marked)) or []
        return [self.line(one) for one in answer]

    def hover(self, marked):
        answer = self.server.request("textDocument/hover", self.place(marked))
        return answer["contents"]["value"] if answer else ""

    def rename(self, marked, name):
        answer = self.server.request("textDocument/rename", {**self.place(marked), "newName": name})
        edits = [edit for change in answer["documentChanges"] for edit in change["edits"]]
        places = {(edit["range"]["start"]["line"], edit["range"]["start"]["character"]) for edit in edits}
        if len(places) != len(edits):
            raise Refused("a place is changed twice")
        return len(edits)

    def errors(self, old, new):
        """The errors after a mistake was saved, each with its author and the words to which it points."""
        text = self.edited(old, new)
        pathlib.Path(self.path).write_text(text)
        self.server.change(self.path, text)
        self.server.save(self.path)
        self.server.wait_until_silent(2)
        found = self.server.diagnostics.get(uri(self.path), [])
        pathlib.Path(self.path).write_text(self.text)
        self.server.change(self.path, self.text)
        lines = text.split("\n")
        errors = []
        for one in found:
            if one.get("severity") != 1:
                continue
            start, end = one["range"]["start"], one["range"]["end"]
            last = end["character"] if start["line"] == end["line"] else None
            words = lines[start["line"]][start["character"]:last] if start["line"] < len(lines) else ""
            errors.append((one.get("source"), words, one["message"].split("\n")[0]))
        return errors


def check_completions(editor, old, typed, wanted, unwanted):
    labels = editor.completions(old, typed)
    missing = [name for name in wanted if name not in labels]
    surplus = [name for name in unwanted if name in labels]
    if missing or surplus:
        return f"not there: {', '.join(missing)}" * bool(missing) + f"there too: {', '.join(surplus)}" * bool(surplus)
    return ""


def check_definitions(editor, marked, wanted):
    lines = editor.definitions(marked)
    if len(lines) == len(wanted) and all(line.startswith(one) for line, one in zip(lines, wanted)):
        return ""
    return "leads to " + (" and ".join(f"`{line[:50]}`" for line in lines[:4]) or "nothing") + (f", {len(lines)} places" if len(lines) > 4 else "")


def check_hover(editor, marked, wanted):
    text = editor.hover(marked)
    return "" if wanted in text else "shows " + (f"`{' '.join(text.split())[:80]}`" if text else "nothing")


def check_rename(editor, marked, name, wanted):
    count = editor.rename(marked, name)
    return "" if count == wanted else f"changes {count} places, not {wanted}"


def check_mistake(editor, old, new, words, count=1):
    errors = editor.errors(old, new)
    texts = "; ".join(f"{source} at `{at}`: {text}" for source, at, text in errors)
    if len(errors) != count:
        return f"{len(errors)} entries: {texts}"
    return "" if words is None or all(one[1] == words for one in errors) else texts


CHECKS = [
    ("Completion", COMPLETIONS, check_completions),
    ("Go to definition", DEFINITIONS, check_definitions),
    ("Hover", HOVERS, check_hover),
    ("Rename", RENAMES, check_rename),
    ("One mistake, one error, at its word", MISTAKES, check_mistake),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rust-analyzer", help="the program; by default that of the toolchain")
    parser.add_argument("--folder", type=pathlib.Path, default=REPOSITORY / "target" / "editor")
    parser.add_argument("filter", nargs="?", default="", help="only the checks with this in their names")
    options = parser.parse_args()
    program = options.rust_analyzer or subprocess.check_output(
        ["rustup", "which", "rust-analyzer"], cwd=REPOSITORY, text=True).strip()

    folder = options.folder.resolve()
    source = folder / "src" / "lib.rs"
    source.parent.mkdir(parents=True, exist_ok=True)
    (folder / "Cargo.toml").write_text(MANIFEST.format(runtime=REPOSITORY / "saga-runtime"))
    shutil.copy(REPOSITORY / "Cargo.lock", folder)
    shutil.copy(REPOSITORY / "rust-toolchain.toml", folder)
    shutil.copy(HERE / "sample.rs", source)
    subprocess.run(["cargo", "check", "--quiet"], cwd=folder, check=True)

    server = Server([program], str(folder), dict(os.environ), {"cachePriming": {"enable": False}})
    editor = Editor(server, source)
    server.wait(lambda: server.is_quiet, "start")
    server.wait_until_silent(3)
    failed = 0
    for title, checks, check in CHECKS:
        checks = [one for one in checks if options.filter in f"{title}: {one[0]}"]
        if checks:
            print(f"| {title} | |\n|---|---|", flush=True)
        for name, *rest in checks:
            try:
                answer = check(editor, *rest)
            except Refused as error:
                answer = f"refused: {error}"
            failed += bool(answer)
            print(f"| {name} | {answer or 'yes'} |", flush=True)
        print(flush=True)
    server.close()
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
