"""What a failed program's message may and may not say."""

from warmbase.effects.process import describe_exit, last_lines, mask_secrets, secrets_in


def test_user_information_in_addresses_is_masked() -> None:
    text = "GET https://build:hunter2@index.example/simple/ and http://token@proxy.example:3128"
    assert mask_secrets(text, ()) == "GET https://***@index.example/simple/ and http://***@proxy.example:3128"


def test_an_address_without_user_information_stays() -> None:
    text = "https://index.example/simple/a@b"
    assert mask_secrets(text, ()) == text


def test_values_of_secret_variables_are_masked() -> None:
    environment = {
        "UV_INDEX_PASSWORD": "hunter2",
        "registry_token": "abcdef",
        "SECRET_KEY": "hunter2-and-more",
        "HOME": "/home/me",
    }
    text = "hunter2-and-more, hunter2, abcdef at /home/me"
    assert mask_secrets(text, secrets_in(environment)) == "***, ***, *** at /home/me"


def test_a_value_too_short_to_be_a_secret_does_not_garble_the_message() -> None:
    assert secrets_in({"USE_TOKEN": "1"}) == ()


def test_an_exit_is_described_in_words() -> None:
    assert describe_exit(2) == "failed with exit code 2"
    assert describe_exit(-9) == "was ended by SIGKILL"


def test_only_the_last_lines_are_shown() -> None:
    lines = last_lines("".join(f"line {n}\n" for n in range(100)).encode() + b"\xff\n").splitlines()
    assert len(lines) == 20
    assert lines[-2:] == ["line 99", "\ufffd"]
