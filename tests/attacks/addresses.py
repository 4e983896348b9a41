"""The enclave's map: its addresses, what its names lead to, and every spelling of what is forbidden. Pure."""

from __future__ import annotations

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1::34"
PRIVATE = "10.0.0.5"
RESOLVER = "11.0.0.1"  # public, so that only the attacked side's resolv.conf leads to it
INSIDE = "11.0.0.2"
GATEWAY_6, INSIDE_6 = "2606:4700::1", "2606:4700::2"

# Each answers on every port of PORTS, and a connection to it is a hit.
INTERNAL = (
    "10.0.0.5",
    "172.16.0.5",
    "192.168.1.5",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "100.64.0.5",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.5",
    "192.0.2.5",
    "203.0.113.5",
    "240.0.0.5",
    "fd00::5",
    "fd00:ec2::254",
    "fec0::5",
    "2001:db8::5",
    "2002:a00:5::1",
    "64:ff9b::a00:5",
    "64:ff9b:1::a00:5",
)
OWN = ("127.0.0.1", "127.0.0.53", "0.0.0.0", "::1", "::", INSIDE, INSIDE_6)
PORTS = (80, 8080)
CLOSED_PORTS = (22, 6379, 9200)  # open at the public address too, and never on the guard's list

NAMES: dict[str, tuple[str, ...]] = {
    "public.test": (PUBLIC,),
    "public6.test": (PUBLIC_6,),
    "ten.test": ("10.0.0.5",),
    "loop.test": ("127.0.0.1",),
    "loop6.test": ("::1",),
    "any.test": ("0.0.0.0",),
    "mapped.test": ("::ffff:10.0.0.5",),
    "nat64.test": ("64:ff9b::a00:5",),
    "ula.test": ("fd00::5",),
    "metadata.google.internal": ("169.254.169.254",),
    "mixed.test": (PUBLIC, "10.0.0.5"),
    "mixed-first.test": ("10.0.0.5", PUBLIC),
    "mixed-families.test": (PUBLIC, "fd00::5"),
    "own.test": (INSIDE,),
}
ALIASES = {"alias.test": "ten.test", "public-alias.test": "public.test"}
# Public when first asked for, and internal ever after: one name for each attempt, as the first question spends it.
REBINDING = "rebind"
PREFIXED = ".rebind.test"

HOSTS = (
    # IPv4 as it is
    *("127.0.0.1", "127.0.0.53", "0.0.0.0", "10.0.0.5", "172.16.0.5", "192.168.1.5", "169.254.169.254"),
    *("169.254.170.2", "100.100.100.200", "100.64.0.5", "192.0.0.192", "168.63.129.16", "198.18.0.5"),
    *("192.0.2.5", "203.0.113.5", "240.0.0.5", "255.255.255.255", "224.0.0.1", INSIDE),
    # and as other programs read it
    *(
        "0",
        "127.1",
        "127.0.1",
        "10.5",
        "10.0.5",
        "2130706433",
        "167772165",
        "0x0a000005",
        "0xa.0.0.5",
        "0xA.0x0.0x0.0x5",
    ),
    *("012.0.0.5", "012.0.0.05", "0012.0.0.5", "01200000005", "10.0.0.0x5", "10.0.0.5.", "0x7f.1", "0300.0250.1.5"),
    *("１０.０.０.５", "①⓪.⓪.⓪.⑤", "10。0。0。5", "10．0．0．5", "4294967296", "425.510.425.510"),  # noqa: RUF001
    # IPv6
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:10.0.0.5]", "[::ffff:a00:5]", "[0:0:0:0:0:ffff:10.0.0.5]"),
    *("[::10.0.0.5]", "[::ffff:127.0.0.1]", "[64:ff9b::10.0.0.5]", "[64:ff9b:1::a00:5]", "[2002:a00:5::1]"),
    *("[fd00::5]", "[fd00:ec2::254]", "[fec0::5]", "[2001:db8::5]", "[fe80::5]", "[fe80::5%p0]", "[fe80::5%25p0]"),
    *("[::ffff:0:10.0.0.5]", "[ff02::1]", f"[{INSIDE_6}]", "[::1%25lo]"),
    # names
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ｌｏｃａｌｈｏｓｔ",  # noqa: RUF001
        "a.localhost",
        "ip6-localhost",
        "metadata.google.internal",
    ),
    *("ten.test", "TEN.test.", "loop.test", "loop6.test", "any.test", "mapped.test", "nat64.test", "ula.test"),
    *("mixed.test", "mixed-first.test", "mixed-families.test", "alias.test", "own.test"),
    # userinfo and what a second parser may take for the end of the host
    *("public.test@10.0.0.5", "public.test:80@10.0.0.5", "public.test%40@10.0.0.5", "10.0.0.5:80:80", "ten.test:8080"),
    *(
        "10.0.0.5%23@ten.test",
        "10.0.0.5%2f@ten.test",
        "10.0.0.5%00",
        "10.0.0.5\\@ten.test",
        "ten.test%2e",
        "%31%30.0.0.5",
    ),
    # ports that are nobody's media
    *("public.test:22", f"{PUBLIC}:6379", "public.test:9200"),
)
URLS = (
    *(
        "https://10.0.0.5/x.mp4",
        "https://ten.test/x.mp4",
        "HTTP://10.0.0.5/x.mp4",
        "//10.0.0.5/x.mp4",
        "http:/10.0.0.5/x",
    ),
    *("http:\\\\10.0.0.5\\x.mp4", "http://10.0.0.5\t/x.mp4", "ht\ttp://10.0.0.5/x.mp4", "http://10.0.0.5/\r\nX: 1"),
    *("ftp://10.0.0.5/x.mp4", "gopher://10.0.0.5/_x", "rtmp://10.0.0.5/x", "rtsp://10.0.0.5/x", "mms://10.0.0.5/x"),
    *(
        "file:///etc/passwd",
        "tcp://10.0.0.5:80",
        "concat:http://10.0.0.5/x",
        "crypto+http://10.0.0.5/x",
        "ws://10.0.0.5/",
    ),
    *("http://[::ffff:10.0.0.5]:8080/x.mp4", "http:10.0.0.5/x.mp4", "http:///10.0.0.5/x.mp4", "http://@10.0.0.5/x.mp4"),
)


def shapes() -> list[str]:
    return [*(f"http://{host}/x.mp4" for host in HOSTS), *URLS]
