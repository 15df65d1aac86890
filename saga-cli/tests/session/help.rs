//! The help is there for each command, and says what an operator has to know.

use crate::program::saga;

const COMMANDS: [&str; 21] = [
    "list",
    "show",
    "watch",
    "stats",
    "check",
    "pause",
    "resume",
    "drop",
    "retry",
    "resolve",
    "skip",
    "complete",
    "compensate",
    "abandon",
    "cancel",
    "send",
    "purge",
    "export",
    "console",
    "completions",
    "man",
];

#[tokio::test]
async fn the_help_lists_commands_filters_exit_codes_and_examples() {
    let help = saga(&["--help"]).await.works();
    for part in COMMANDS.iter().chain(&[
        "Exit codes:",
        "Filters are words",
        "state=stuck",
        "--journal http://",
    ]) {
        assert!(help.contains(part), "{part} in {help}");
    }
    for command in COMMANDS {
        let help = saga(&[command, "--help"]).await.works();
        assert!(help.contains("Usage: saga"), "{help}");
        let has = |option| help.contains(option);
        assert_eq!(has("ID|FILTER"), has("--id"), "{help}");
        assert_eq!(has("--at-most"), has("All sagas, in place"), "{help}");
    }
    let short = saga(&[]).await;
    assert_eq!(short.code, 2, "{short:?}");
}

#[tokio::test]
async fn shells_and_manuals_get_theirs() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let completions = saga(&["completions", shell]).await.works();
        assert!(
            completions.contains("resolve") && completions.contains("journal"),
            "{shell}"
        );
    }
    let man = saga(&["man"]).await.works();
    assert!(man.starts_with(".ie") || man.contains(".TH saga"), "{man}");
}

#[tokio::test]
async fn wrong_arguments_are_answered_with_the_right_ones() {
    let nowhere = saga(&["list"]).await.fails(1);
    assert!(nowhere.contains("--journal shop.db"), "{nowhere}");
    let missing = saga(&["--journal", "/nowhere/shop.db", "list"])
        .await
        .fails(1);
    assert!(missing.contains("/nowhere/shop.db"), "{missing}");
    assert_eq!(missing.matches("No such file").count(), 1, "{missing}");
    let reason = saga(&["--journal", "x.db", "retry", "order-1"])
        .await
        .fails(2);
    assert!(reason.contains("--reason"), "{reason}");
    let json = saga(&[
        "--journal",
        "x.db",
        "send",
        "order-1",
        "--event",
        "approved",
        "--value",
        "yes",
    ])
    .await;
    let json = json.fails(2);
    assert!(json.contains("a text needs quotes"), "{json}");
    let tls = saga(&["--journal", "https://shop.example", "list"])
        .await
        .fails(1);
    assert!(tls.contains("ssh -L"), "{tls}");
}
