from goldenpair.progress import progress_bar


def test_progress_off_a_terminal_says_nothing(capsys):
    with progress_bar("Working") as progress:
        progress(1, 3)
        progress(3, 3)
    assert capsys.readouterr().out.strip() == ""
