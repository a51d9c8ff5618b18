"""Every method of ftplib against a server: HOST PORT CA SECURED, ann's password is `p w`."""

import ftplib
import hashlib
import io
import ssl
import sys

host, port, ca, secured = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "tls"


def connect(encoding="utf-8"):
    if secured:
        ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ca), timeout=30, encoding=encoding)
    else:
        ftp = ftplib.FTP(timeout=30, encoding=encoding)
    assert ftp.connect(host, port).startswith("220")
    assert ftp.getwelcome().startswith("220")
    assert ftp.login("ann", "p w").startswith("230")
    if secured:
        assert ftp.prot_p().startswith("200")
    return ftp


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except ftplib.Error as error:
        assert str(error).startswith(code), f"{error} instead of {code}"
    else:
        raise AssertionError(f"{call} {arguments} was not refused")


def get(ftp, name, **options):
    got = io.BytesIO()
    assert ftp.retrbinary(f"RETR {name}", got.write, **options).startswith("226")
    return got.getvalue()


ftp = connect()
big = bytes(n * 2654435761 >> 24 & 255 for n in range(1_000_000))

# Folders.
assert ftp.pwd() == "/"
assert ftp.mkd("work") == "/work"
assert ftp.mkd('work/say "hi" o\'x') == '/work/say "hi" o\'x'
ftp.cwd('work/say "hi" o\'x')
assert ftp.pwd() == '/work/say "hi" o\'x'
ftp.cwd("..")
assert ftp.pwd() == "/work"
refused("550", ftp.cwd, "nowhere")
refused("550", ftp.mkd, 'say "hi" o\'x')

# Bytes, whole and from an offset on, both ways.
assert ftp.storbinary("STOR big.bin", io.BytesIO(big)).startswith("226")
assert get(ftp, "big.bin") == big
assert get(ftp, "big.bin", rest=999_990) == big[999_990:]
assert get(ftp, "big.bin", blocksize=100, rest="999000") == big[999_000:]
ftp.storbinary("STOR cut.bin", io.BytesIO(big[:400_000]))
ftp.storbinary("STOR cut.bin", io.BytesIO(big[400_000:]), rest=400_000)
assert get(ftp, "cut.bin") == big
ftp.storbinary("STOR joined.bin", io.BytesIO(big[:10]))
ftp.storbinary("APPE joined.bin", io.BytesIO(big[10:99]))
assert get(ftp, "joined.bin") == big[:99]
ftp.storbinary("STOR empty", io.BytesIO())
assert get(ftp, "empty") == b""
assert ftp.size("big.bin") == len(big)
refused("550", ftp.size, "nothing")
refused("550", get, ftp, "nothing")

# Text.
ftp.storlines("STOR text.txt", io.BytesIO(b"one\r\ntwo\nthree"))
lines = []
ftp.retrlines("RETR text.txt", lines.append)
assert lines == ["one", "two", "three"], lines
ftp.voidcmd("TYPE I")
assert get(ftp, "text.txt") == b"one\ntwo\nthree\n"

# Listings.
names = ["big.bin", "cut.bin", "empty", "joined.bin", 'say "hi" o\'x', "text.txt"]
assert sorted(ftp.nlst()) == names, ftp.nlst()
assert sorted(ftp.nlst("/work")) in (names, [f"/work/{name}" for name in names])
facts = dict(ftp.mlsd())
assert sorted(name for name in facts if name not in (".", "..")) == names
assert facts["big.bin"]["type"] == "file" and facts["big.bin"]["size"] == str(len(big))
assert facts['say "hi" o\'x']["type"] == "dir"
assert set(dict(ftp.mlsd("/work", ["type", "size"]))["empty"]) == {"type", "size"}
rows = []
ftp.dir(rows.append)
assert [row for row in rows if row.startswith("-") and row.endswith(" big.bin")], rows
rows = []
ftp.dir("/work", rows.append)
assert len(rows) == len(names)

# Names.
for name in ["two  spaces", " leading", "trailing ", "-dash", "'quoted'", '"', "ñandú", "a;b=c", "#%?*[x]"]:
    ftp.storbinary(f"STOR {name}", io.BytesIO(name.encode()))
    assert get(ftp, name) == name.encode(), name
    assert name in ftp.nlst() and name in dict(ftp.mlsd()), name
    assert ftp.rename(name, f"{name}.") is not None
    assert ftp.delete(f"{name}.").startswith("250")
# Python itself refuses to send those, and what this machine has made is not shown, since no line could tell it.
for name in ["line\nend", "return\rhere"]:
    try:
        ftp.sendcmd(f"DELE {name}")
    except ValueError:
        pass
raw = connect("latin-1")
raw.cwd("work")
raw.storbinary("STOR b\xff\xe9", io.BytesIO(b"raw"))
assert "b\xff\xe9" in raw.nlst() and "b\xff\xe9" in dict(raw.mlsd())
assert get(raw, "b\xff\xe9") == b"raw"
raw.delete("b\xff\xe9")
assert raw.quit().startswith("221")

# Changes.
assert ftp.rename("cut.bin", "renamed.bin").startswith("250")
refused("550", ftp.rename, "cut.bin", "x")
assert ftp.delete("renamed.bin").startswith("250")
refused("550", ftp.delete, "renamed.bin")
refused("550", ftp.rmd, "/work/nowhere")
ftp.rmd('say "hi" o\'x')

# Commands.
assert ftp.voidcmd("NOOP").startswith("200")
assert "MLST" in ftp.sendcmd("FEAT")
assert ftp.sendcmd("MDTM big.bin").startswith("213 20")
assert ftp.sendcmd("MFMT 20200102030405 big.bin").startswith("213")
assert ftp.sendcmd("MDTM big.bin") == "213 20200102030405"
assert ftp.sendcmd("SITE CHMOD 600 big.bin").startswith("2")
assert hashlib.sha256(big).hexdigest() in ftp.sendcmd("HASH big.bin")
assert ftp.acct("x")[:1] == "2"
refused("50", ftp.sendcmd, "XYZZY")
refused("550", ftp.cwd, "/../../etc")

# Active, and PASV beside EPSV.
ftp.set_pasv(False)
assert get(ftp, "big.bin") == big
ftp.storbinary("STOR active.bin", io.BytesIO(big))
assert ftp.size("active.bin") == len(big)
ftp.set_pasv(True)
ftp.trust_server_pasv_ipv4_address = True
assert ftp.ntransfercmd("RETR big.bin")[1] in (len(big), None)
ftp.close()

# ABOR in mid-transfer, which ftplib sends as urgent data, in clear text only.
ftp = connect()
ftp.cwd("work")
ftp.voidcmd("TYPE I")
data = ftp.transfercmd("RETR big.bin")
assert data.recv(1000)
if secured:
    ftp.putcmd("ABOR")
    replies = [ftp.getmultiline()]
else:
    replies = [ftp.abort()]
data.close()
# One for the transfer, which may have been over by then, and one for ABOR.
replies.append(ftp.getmultiline())
assert replies[0][:3] in ("426", "226") and replies[1][:3] in ("226", "225"), replies
assert ftp.voidcmd("NOOP").startswith("200")
assert get(ftp, "big.bin") == big

# The end.
for name in ftp.nlst():
    ftp.delete(name)
ftp.cwd("/")
assert ftp.rmd("work").startswith("250")
if secured:
    refused("5", ftp.ccc)
    assert ftp.prot_c().startswith("200")
    assert isinstance(ftp.nlst(), list)
assert ftp.quit().startswith("221")
print("all is well")
