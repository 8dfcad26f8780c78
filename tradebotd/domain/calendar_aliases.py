"""Other names of the calendars of exchanges: one exchange is one calendar. Pure."""

from typing import Final

# fmt: off
ALIASES: Final = {
    "NYSE": "XNYS", "NASDAQ": "XNYS", "BATS": "XNYS", "XNAS": "XNYS", "ARCX": "XNYS",
    "OOTC": "XNYS", "XASE": "XNYS", "XTSX": "XTSE", "TSX": "XTSE", "FWB": "XFRA", "LSE": "XLON",
    "BMF": "BVMF", "CME": "CMES", "CBOT": "CMES", "COMEX": "CMES", "NYMEX": "CMES", "ICE": "IEPA",
    "ICEUS": "IEPA", "NYFE": "IEPA", "CFE": "XCBF", "JKT": "XIDX", "SIX": "XSWX", "JPX": "XTKS",
    "ASX": "XASX", "HKEX": "XHKG", "OSE": "XOSL", "BSE": "XBOM", "SSE": "XSHG", "TASE": "XTAE",
    "BVB": "XBSE", "LUXSE": "XLUX",
}
# fmt: on


def one_name(code: str) -> str:
    """*code*, or what it is another name of: two of them would be read, closed and told twice."""
    return ALIASES.get(code, code)
