"""Names of remote files, and texts without the secrets in them."""

import os

import pytest

from goldenpair.errors import InputError
from goldenpair.storage.uris import (
    canonical,
    is_uri,
    joined,
    last_name,
    local_path,
    without_query,
    without_secrets,
    without_signature,
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3://b/k.csv", "s3://b/k.csv"),
        ("aws://b/k.csv", "s3://b/k.csv"),
        ("S3://b/k.csv", "s3://b/k.csv"),
        ("azure://c/k", "az://c/k"),
        ("abfs://c@account.dfs.core.windows.net/k", "abfs://c@account.dfs.core.windows.net/k"),
        ("gcs://b/k", "gs://b/k"),
        ("https://user:word@host/k?sig=1", "https://user:word@host/k?sig=1"),
        ("s3://b/a@b.csv", "s3://b/a@b.csv"),
        ("http://host:8080/R1@2x.png", "http://host:8080/R1@2x.png"),
        ("http://joe:w@[::1]:80/a@b", "http://joe:w@[::1]:80/a@b"),
        ("s3://arn:aws:s3:eu:1:accesspoint/a/k@2.csv", "s3://arn:aws:s3:eu:1:accesspoint/a/k@2.csv"),
    ],
)
def test_schemes_have_one_name(given, found):
    assert is_uri(given) and canonical(given) == found


@pytest.mark.parametrize("place", ["", None, "data/x.csv", "/data/x.csv", r"C:\data", "a:b", "s3:/b/k", "${x}"])
def test_what_is_local(place):
    assert not is_uri(place)


def test_schemes_that_are_not_offered():
    with pytest.raises(InputError, match="ftp://h/x: ftp:// is not offered; there is s3://, gs://"):
        canonical("ftp://h/x")


def test_credentials_in_the_name_of_a_bucket_are_refused_and_not_told():
    with pytest.raises(InputError, match="credentials in a name are not used") as caught:
        canonical("s3://AKIAKEY:verysecret@b/k")
    assert "AKIAKEY" not in str(caught.value) and "verysecret" not in str(caught.value)


@pytest.mark.parametrize("place", ["s3://AKIAKEY:very/secret@b/k", "s3://secret@b/k", "https://AKIAKEY:se?cret@h/k"])
def test_credentials_that_no_library_would_understand(place):
    with pytest.raises(InputError) as caught:
        canonical(place)
    assert not any(secret in str(caught.value) for secret in ("AKIAKEY", "very", "secret", "cret@", "se?"))


SIGNED = "https://b.s3.amazonaws.com/t.csv?X-Amz-Credential=AKIA%2F1&X-Amz-Date=1&X-Amz-Signature=0badc0de"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SIGNED, "https://b.s3.amazonaws.com/t.csv?X-Amz-Credential=***&X-Amz-Date=***&X-Amz-Signature=***"),
        ("https://a.blob.core.windows.net/c/t?sv=1&sig=se%2Fcret", "https://a.blob.core.windows.net/c/t?sv=***&sig=***"),
        ("http://joe:secret@host:80/a b", "http://***@host:80/a b"),
        ("http://token@host/x?y", "http://***@host/x?***"),
        ("s3://b/k?versionId=7", "s3://b/k?versionId=7"),
        ("abfs://c@account.dfs.core.windows.net/k", "abfs://c@account.dfs.core.windows.net/k"),
        (f"table {SIGNED}: there", "table https://b.s3.amazonaws.com/t.csv?X-Amz-Credential=***"
         "&X-Amz-Date=***&X-Amz-Signature=*** there"),
        ("URL('http://h/x?sig=1'), and http://h/y?sig=2", "URL('http://h/x?sig=***'), and http://h/y?sig=***"),
        ("no name at all? a=b", "no name at all? a=b"),
        ("https://ghp_TOKEN123@host/x.csv", "https://***@host/x.csv"),
        ("https://user:pa'ssw0rd@host/m.pth: there", "https://***@host/m.pth: there"),
        ("https://user:p?w@host/x", "https://***@host/x"),
        ("https://user:p/w@host/x?versionId=7", "https://***@host/x?versionId=7"),
        ("read 'HTTPS://user:p@w@host/x', and so on", "read 'HTTPS://***@host/x', and so on"),
        ("https://host/x#sig=SECRET", "https://host/x#***"),
        ("https://host/x?a=1#sig=SECRET", "https://host/x?a=***#***"),
        ("https://host/x?sig=ab'cd' is", "https://host/x?sig=***' is"),
        ("s3://AKIAKEY@b/k", "s3://***@b/k"),
        ("s3://AKIAKEY:sec/ret@b/k", "s3://***@b/k"),
        ("s3://b/a@b#1.csv", "s3://b/a@b#1.csv"),
        ("abfs://c:key@account/k", "abfs://***@account/k"),
        ("file:///a/b@c.csv", "file:///a/b@c.csv"),
    ],
)  # fmt: skip
def test_secrets_are_taken_out_of_texts(text, found):
    assert without_secrets(text) == found
    assert without_secrets(found) == found


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (SIGNED, "https://b.s3.amazonaws.com/t.csv"),
        (f"{SIGNED}&versionId=7", "https://b.s3.amazonaws.com/t.csv&versionId=7"),
        ("https://h/t?Expires=9&Signature=x&Key-Pair-Id=k&id=1", "https://h/t&id=1"),
        ("https://h/t?id=1&sv=2&se=3&sig=x", "https://h/t&id=1"),
        ("https://h/t?id=1&sv=2&expires=3", "https://h/t&id=1&sv=2&expires=3"),  # nothing is signed
        ("s3://b/what?sig=1.csv", "s3://b/what?sig=1.csv"),
    ],
)
def test_links_to_one_file_are_one(uri, found):
    assert without_signature(uri) == found


def test_parts_of_names():
    assert last_name("https://h/a/t%20t.csv?sig=1") == "t t.csv"
    assert last_name("s3://b/k/") == "k" and last_name("s3://b/a:b.csv") == "a_b.csv"
    assert joined("s3://b/k/", "train") == joined("s3://b/k", "train") == "s3://b/k/train"
    assert without_query("https://h/x.zip?sig=1") == "https://h/x.zip"
    assert without_query("s3://b/what?.zip") == "s3://b/what?.zip"


@pytest.mark.skipif(os.name == "nt", reason="paths of other systems")
def test_names_of_local_files():
    assert local_path("file:///a/b%20c.csv") == local_path("file://localhost/a/b%20c.csv") == "/a/b c.csv"
