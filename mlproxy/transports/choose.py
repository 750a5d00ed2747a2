"""Which transport a machine has."""

from __future__ import annotations

from mlproxy.transports.base import Transport
from mlproxy.transports.kernel import KernelTransport
from mlproxy.transports.ml_class import CLASS
from mlproxy.transports.stock import StockTransport
from mlproxy.tree import Tree


def open_transport(tree: Tree) -> Transport:
    """The kernel transport where the kernel has class ml_proxy, else the stock one."""
    from mlproxy.transports.requests import open_requests  # with numpy, which `status` needs not

    requests, untraced = open_requests(tree)
    return _over(tree, StockTransport(tree, requests, untraced if tree.live else ""))


def recorded_transport(tree: Tree) -> Transport:
    """The same without tracepoints, for what is being recorded."""
    return _over(tree, StockTransport(tree))


def _over(tree: Tree, stock: StockTransport) -> Transport:
    return KernelTransport(tree, stock) if tree.exists(CLASS) else stock
