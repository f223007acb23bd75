"""An unknown key gets the nearest known one, wherever people write files or bodies."""

from __future__ import annotations

from typing import Any

import pytest
from order_bodies import order_body

from config.rails import Rails
from core.errors import BadInput
from core.known_keys import known_keys
from core.messages import Order
from core.policy import Policy, parse_policy
from core.policy_checking import check_policy
from core.reading import read
from core.reasons import Refusal

NAME = 'name = "x"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (NAME + "[order]\nextensions_mx = 2\n", 3, "order.extensions_mx", "did you mean extensions_max?"),
        (NAME + "comission_bps = 2\n", 2, "comission_bps", "did you mean commission_bps?"),
        (NAME + "[after_sale]\nzzz = 2\n", 3, "after_sale.zzz", "unknown key"),
        (NAME + "\n[[rule]]\nmerchants = []\n", 3, "rule", "did you mean rules?"),
        (NAME + '[[rules]]\n[rules.order]\nshp_within = "2d"\n', 4, "rules.0.order.shp_within", "mean ship_within?"),
        (
            NAME + '[[rules]]\n[rules.after_sale]\nanswer = "2d"\n',
            4,
            "rules.0.after_sale.answer",
            "mean answer_within?",
        ),
    ],
)
def test_an_unknown_key_of_a_policy_is_named_with_the_nearest(text: str, line: int, key: str, said: str) -> None:
    (problem,) = check_policy(text)
    assert (problem.line, problem.key) == (line, key)
    assert said in problem.message
    with pytest.raises(BadInput, match="unknown key"):
        parse_policy(text)


def test_where_no_key_is_near_a_few_are_all_named() -> None:
    order: dict[str, Any] = order_body()
    order["payment"]["qqq"] = 1
    answer = read(Order, order, strictly=True)
    assert isinstance(answer, Refusal)
    assert "unknown key; known: " in answer.message
    assert "reference" in answer.message


@pytest.mark.parametrize(
    ("path", "some"),
    [((), "lines"), (("lines", 0), "quantity"), (("ship_to",), "city"), (("nothing", "here"), None), ((0,), None)],
)
def test_keys_are_known_through_lists_and_parts(path: tuple[str | int, ...], some: str | None) -> None:
    known = known_keys(Order, path)
    assert some in known if some else known == []


def test_keys_are_known_under_names_that_people_choose() -> None:
    assert "account" in known_keys(Rails, ("channels", "wechat"))
    assert "ship_within" in known_keys(Policy, ("order",))
