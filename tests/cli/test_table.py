from usage_ingest.cli.table import table


def test_what_would_steer_a_terminal_is_not_written() -> None:
    """Models and subscriptions are called as their callers like."""
    text = table(("model", "tokens"), [("a\x1b[2J\u202eb", 1_000)])

    assert text.splitlines()[1] == "a?[2J?b   1,000"
