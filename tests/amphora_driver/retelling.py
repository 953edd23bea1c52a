"""What a configuration tells haproxy to do, read from its words alone; anything that isn't understood is a mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from tests.amphora_driver.meaning import Back, Check, Front, Meaning, Server, Tls
from tests.amphora_driver.retold_policies import policies, sample
from tests.amphora_driver.words import Misread, Section, sections

_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_VERSIONS: Final = {"TLSv1.0": "TLSv1", **{name: name for name in ("TLSv1.1", "TLSv1.2", "TLSv1.3")}}
_ALGORITHMS: Final = {
    ("roundrobin",): "ROUND_ROBIN", ("leastconn",): "LEAST_CONNECTIONS", ("source",): "SOURCE_IP",
    ("hash", "src,concat(:,sess.source_port)"): "SOURCE_IP_PORT",
}  # fmt: skip
_CERTIFICATE_HEADERS: Final = {
    "X-SSL-Client-Verify": "%[ssl_c_verify]", "X-SSL-Client-Has-Cert": "%[ssl_c_used]",
    "X-SSL-Client-DN": "%{+Q}[ssl_c_s_dn]", "X-SSL-Client-CN": "%{+Q}[ssl_c_s_dn(cn)]",
    "X-SSL-Issuer": "%{+Q}[ssl_c_i_dn]", "X-SSL-Client-SHA1": "%{+Q}[ssl_c_sha1,hex]",
    "X-SSL-Client-Not-Before": "%{+Q}[ssl_c_notbefore]", "X-SSL-Client-Not-After": "%{+Q}[ssl_c_notafter]",
}  # fmt: skip
_PINGS: Final = [("connect", "addr", "unix@ping/socket"), ("send-lf", "%[srv_name]\n"), ("expect", "string", "UP")]
# What doesn't depend on the load balancer.
_GLOBAL: Final = {
    "log stderr format raw daemon notice", "log unix@alarm.sock format raw daemon notice",
    "fd-hard-limit 1048576", "hard-stop-after 24h",
    "stats socket unix@worker.sock mode 600 level admin", "server-state-file servers.state",
}  # fmt: skip
_DEFAULTS: Final = {
    "log global", "load-server-state-from-file global", "retries 3", "option redispatch 1",
    "timeout connect 5000ms", "timeout client 50000ms", "timeout server 50000ms",
}  # fmt: skip


def retold(text: str, files: Mapping[str, bytes]) -> Meaning:
    """
    What a configuration means.

    @param files: what the files hold that it names.
    @raise Misread: it says anything that has no meaning here.
    """
    if not text:
        return Meaning()
    constant, defaults, *rest = sections(text)
    splices = defaults.has("option splice-auto")
    _same(constant, "global", _GLOBAL)
    _same(defaults, "defaults", _DEFAULTS)
    peers = [each for each in rest if each.kind == "peers"]
    for each in peers:
        _peers(each)
    fronts = tuple(_front(each, files) for each in rest if each.kind == "frontend")
    backs = tuple(_back(each, files) for each in rest if each.kind == "backend")
    if len(peers) > 1 or len(peers) + len(fronts) + len(backs) != len(rest):
        raise Misread(f"there are sections {[(each.kind, each.name) for each in rest]}")
    if splices is not bool(backs):
        raise Misread("pipes without anything to pass on, or the other way round")
    return Meaning(fronts, backs, shares=bool(peers))


def _same(section: Section, kind: str, directives: set[str]) -> None:
    said = [" ".join(words) for words in section.directives]
    if (section.kind, section.name, sorted(said)) != (kind, (), sorted(directives)):
        raise Misread(f"{section} isn't what it always is")


def _peers(section: Section) -> None:
    ((name, address),) = section.take("peer")
    if section.name != ("sessions",) or not re.fullmatch(rf"abns@octavia-tx-{_UUID}-{_UUID}", address) or not name:
        raise Misread(f"{section} {name} {address}")
    section.nothing_left()


def _front(section: Section, files: Mapping[str, bytes]) -> Front:
    http = _mode(section)
    binds = tuple(_bind(words, files) for words in section.take("bind"))
    metrics = section.has("http-request use-service prometheus-exporter if { path /metrics }")
    if metrics is not section.has("http-request return status 404"):
        raise Misread("metrics without an answer to other requests, or the other way round")
    if http is not section.has("option idle-close-on-response"):
        raise Misread("an option of HTTP")
    inspect = section.word("tcp-request inspect-delay")
    if (inspect is not None) is not section.has("tcp-request content accept if { req.len gt 0 }"):
        raise Misread("a delay without an end, or the other way round")
    limit = section.word("maxconn")
    (name,) = section.name
    front = Front(
        id=name,
        http=http,
        binds=binds,
        allowed=_allowed(section),
        limit=None if limit is None else int(limit),
        timeout=_time(section.word("timeout client"), "ms"),
        inspect=None if inspect is None else _time(inspect, "ms"),
        hashes_port=section.has("tcp-request connection set-var(sess.source_port) src_port"),
        metrics=metrics,
        hsts=_hsts(section.word("http-after-response set-header Strict-Transport-Security")),
        default=section.word("default_backend"),
        policies=tuple(policies(section)),
    )
    section.nothing_left()
    return front


def _mode(section: Section) -> bool:
    return {"http": True, "tcp": False}[section.word("mode") or ""]


def _time(word: str | None, unit: str) -> int:
    found = re.fullmatch(rf"(\d+){unit}", word or "")
    if not found:
        raise Misread(f"{word!r} isn't a time")
    return int(found[1])


def _place(word: str) -> tuple[str, int]:
    """An address, canonical, and a port."""
    host, _, port = word.rpartition(":")
    version = 6 if host[:1] == "[" else 4
    address = ip_address(host[1:-1] if version == 6 else host)
    if address.version != version or getattr(address, "scope_id", None) or not 1 <= int(port) <= 65535:
        raise Misread(f"{word!r} isn't a place")
    return str(address), int(port)


def _allowed(section: Section) -> tuple[str, ...]:
    networks = section.take("acl allowed")
    if section.has("tcp-request connection reject unless allowed") is not bool(networks):
        raise Misread("networks that aren't asked for, or the other way round")
    for fetch, *values in networks:
        if fetch != "src" or len(values) != 1:
            raise Misread(f"{fetch} {values}")
    return tuple(network for _, network in networks)


def _hsts(value: str | None) -> tuple[int, bool, bool] | None:
    if value is None:
        return None
    found = re.fullmatch(r"max-age=(\d+)(; includeSubDomains)?(; preload)?", value)
    if not found:
        raise Misread(f"{value!r}")
    return int(found[1]), bool(found[2]), bool(found[3])


# How many words follow each.
_TLS_WORDS: Final = {
    "ssl": 0, "crt": 1, "ssl-min-ver": 1, "ssl-max-ver": 1, "ciphers": 1, "ciphersuites": 1, "alpn": 1, "verify": 1,
    "ca-file": 1, "crl-file": 1,
}  # fmt: skip
_BIND_WORDS: Final = {**_TLS_WORDS, "crt-list": 1}
_SERVER_WORDS: Final = {
    **_TLS_WORDS, "sni": 1, "id": 1, "weight": 1, "send-proxy": 0, "send-proxy-v2": 0, "cookie": 1, "check": 0,
    "inter": 1, "fall": 1, "rise": 1, "check-ssl": 0, "no-check-ssl": 0, "check-sni": 1, "addr": 1, "port": 1,
    "backup": 0, "disabled": 0,
}  # fmt: skip


def _options(words: tuple[str, ...], known: Mapping[str, int]) -> dict[str, str]:
    """The words behind a bind or a server, each once, with what follows it."""
    found: dict[str, str] = {}
    left = list(words)
    while left:
        name = left.pop(0)
        if name in found or name not in known or len(left) < known[name]:
            raise Misread(f"{name!r} in {words}")
        found[name] = left.pop(0) if known[name] else ""
    return found


def _bind(words: tuple[str, ...], files: Mapping[str, bytes]) -> tuple[str, int, Tls | None]:
    place, *rest = words
    options = _options(tuple(rest), _BIND_WORDS)
    tls = None
    if options:
        listed = _file(options.pop("crt-list"), files).splitlines()
        tls = _tls(options, tuple(_file(name, files) for name in listed), files)
    if options:
        raise Misread(f"a bind with {options}")
    return (*_place(place), tls)


def _file(word: str, files: Mapping[str, bytes]) -> str:
    directory, _, name = word.partition("/")
    if directory != "certificates" or name not in files:
        raise Misread(f"there's no file {word!r}")
    return files[name].decode()


def _tls(options: dict[str, str], certificates: tuple[str, ...], files: Mapping[str, bytes]) -> Tls:
    """What the options say of TLS, which are taken out."""
    options.pop("ssl")
    authorities, revocations = (options.pop(name, None) for name in ("ca-file", "crl-file"))
    return Tls(
        certificates=certificates,
        authorities=authorities and _file(authorities, files),
        revocations=revocations and _file(revocations, files),
        verify=options.pop("verify", None),
        oldest=_VERSIONS[options.pop("ssl-min-ver")],
        newest=_VERSIONS[options.pop("ssl-max-ver")],
        ciphers=options.pop("ciphers", ""),
        suites=options.pop("ciphersuites", ""),
        alpn=tuple(filter(None, options.pop("alpn", "").split(","))),
        passes_name={None: False, "ssl_fc_sni": True}[options.pop("sni", None)],
    )


def _back(section: Section, files: Mapping[str, bytes]) -> Back:
    http = _mode(section)
    (name,) = section.name
    algorithm = _ALGORITHMS[section.one("balance") or ()]
    hashes = algorithm in ("SOURCE_IP", "SOURCE_IP_PORT")
    tries_again = section.has("retry-on conn-failure empty-response")
    safely = section.has("http-request disable-l7-retry unless METH_GET or METH_OPTIONS or METH_TRACE")
    if hashes is not section.has("hash-type consistent") or not http is tries_again is safely:
        raise Misread(f"{name} hashes or tries again as it shouldn't")
    headers, secure = _headers(section)
    check = _check(section)
    back = Back(
        name=name,
        http=http,
        algorithm=algorithm,
        timeout_connect=_time(section.word("timeout connect"), "ms"),
        timeout_data=_time(section.word("timeout server"), "ms"),
        headers=headers,
        secure=secure,
        persistence=_persistence(section),
        check=check,
        servers=tuple(_server(words, check, files) for words in section.take("server")),
    )
    if not section.has("option allbackups"):
        raise Misread(f"{name} uses one backup alone")
    section.nothing_left()
    return back


def _headers(section: Section) -> tuple[frozenset[str], bool | None]:
    """Those that members get, and whether they are told that the client spoke TLS."""
    found = {"X-Forwarded-For"} if section.has("option forwardfor") else set()
    secure = None
    for name, value in section.take("http-request set-header"):
        if name in found:
            raise Misread(f"{name} is set twice")
        found.add(name)
        if name == "X-Forwarded-Proto":
            secure = {"https": True, "http": False}[value]
        elif value != {**_CERTIFICATE_HEADERS, "X-Forwarded-Port": "%[dst_port]"}[name]:
            raise Misread(f"{name} is {value!r}")
    return frozenset(found), secure


def _persistence(section: Section) -> tuple[str, str | None] | None:
    match section.one("stick-table"), section.take("stick"), section.one("cookie"):
        case None, [], None:
            return None
        case None, [], ("SRV", "insert", "indirect", "nocache"):
            return "HTTP_COOKIE", None
        case ("type", "ipv6", "size", "10k", "peers", "sessions"), [("on", "src")], None:
            return "SOURCE_IP", None
        case (
            ("type", "binary", "len", "20", "size", "10k", "peers", "sessions"),
            [("store-response", answer), ("match", request)],
            None,
        ):
            _, name = sample(request.removesuffix(",sha1"))
            if not request.endswith(",sha1") or answer != request.replace("req.", "res.", 1):
                raise Misread(f"{answer} and {request}")
            return "APP_COOKIE", name
    raise Misread("persistence of no kind")


def _check(section: Section) -> Check | None:
    timeout = section.word("timeout check")
    if timeout is None:
        return None
    http, hello = section.has("option httpchk"), section.has("option ssl-hello-chk")
    pings = section.has("option tcp-check")
    if section.take("tcp-check") != (_PINGS if pings else []):
        raise Misread("pings that aren't asked for, or the other way round")
    request = None
    match section.one("http-check send"):
        case ("meth", method, "uri", path, "ver", version, *more):
            match more:
                case []:
                    host = None
                case ["hdr", "Host", host]:
                    pass
                case _:
                    raise Misread(f"a check also sends {more}")
            request = (method, path, version.removeprefix("HTTP/"), host)
    codes = section.word("http-check expect status")
    if http + hello + pings > 1 or http is (request is None) or http is (codes is None):
        raise Misread("a check of several kinds")
    kind = "HTTP" if http else "TLS-HELLO" if hello else "PING" if pings else "TCP"
    return Check(type=kind, timeout=_time(timeout, "s"), request=request, codes=codes)


def _server(words: tuple[str, ...], check: Check | None, files: Mapping[str, bytes]) -> Server:
    name, place, *rest = words
    address, port = _place(place)
    options = _options(tuple(rest), _SERVER_WORDS)
    proxies = {"send-proxy": "PROXY", "send-proxy-v2": "PROXYV2"}
    (proxy,) = [proxies[option] for option in proxies if options.pop(option, None) is not None] or [None]
    checked = options.pop("check", None) is not None
    by_tls = options.pop("check-ssl", None) is not None
    by_tcp = options.pop("no-check-ssl", None) is not None
    tls = None
    if "ssl" in options:
        shown = options.pop("crt", None)
        tls = _tls(options, (_file(shown, files),) if shown else (), files)
    elif by_tls and options.pop("verify") != "none":
        raise Misread(f"{name} is checked otherwise than it is used")
    if checked is not (check is not None) or by_tcp is not bool(tls and check and check.type == "TLS-HELLO"):
        raise Misread(f"{name} is checked otherwise than its pool")
    server = Server(
        id=name,
        number=int(options.pop("id")),
        address=address,
        port=port,
        weight=int(options.pop("weight")),
        proxy=proxy,
        cookie=options.pop("cookie", None),
        check=(
            (_time(options.pop("inter"), "s"), int(options.pop("fall")), int(options.pop("rise"))) if checked else None
        ),
        check_tls=by_tls,
        sni=options.pop("check-sni", None),
        check_address=_place(f"{options.pop('addr')}:1")[0] if "addr" in options else None,
        check_port=int(options.pop("port")) if "port" in options else None,
        tls=tls,
        backup=options.pop("backup", None) is not None,
        disabled=options.pop("disabled", None) is not None,
    )
    if options:
        raise Misread(f"{name} with {options}")
    return server
