"""The vendor's published samples: what they say is read, and what we send looks like them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from wechatpay_adapters import Forge, payout_of, refund_of

from activities.rails.wechatpay_transfer import STATES, result_of_transfer
from activities.rails.wechatpay_withdraw import result_of_withdraw
from activities.wechatpay.resources import RefundResource, TransferBill, Withdraw, WithdrawTaken
from activities.wechatpay.signing import PlatformKeys
from inbound.callbacks import Heard
from inbound.wechatpay import TRANSFER, WechatPayCallbacks

FILES: dict[str, type[BaseModel]] = {
    "CreateFundAppMerchantTransferBillResponse": TransferBill,
    "GetFundAppMerchantTransferBillByOutBillNumberResponse": TransferBill,
    "GetFundAppMerchantTransferBillByTransferBillNumberResponse": TransferBill,
    "CancelFundAppMerchantTransferBillResponse": TransferBill,
    "MerchantTransferBillFinishedResource": TransferBill,
    "CreateEcommerceFundWithdrawResponse": WithdrawTaken,
    "GetEcommerceFundWithdrawByOutRequestNumberResponse": Withdraw,
    "GetEcommerceFundWithdrawByWithdrawIdResponse": Withdraw,
    "CreateEcommerceRefundResponse": RefundResource,
    "GetEcommerceRefundByOutRefundNumberResponse": RefundResource,
    "GetEcommerceRefundByRefundIdResponse": RefundResource,
}


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    folder = shared_data / "payments" / "wechat_samples"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder


def _sample(samples: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((samples / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(("name", "model"), FILES.items())
def test_a_sample_is_read_field_by_field(samples: Path, name: str, model: type[BaseModel]) -> None:
    sample = _sample(samples, name)
    read = model.model_validate(sample).model_dump(mode="json", exclude_unset=True)
    for field, value in read.items():
        if isinstance(value, dict):
            assert value.items() <= sample[field].items()
        else:
            assert value == sample[field]


def test_the_sample_states_are_known(samples: Path) -> None:
    bill = TransferBill.model_validate(_sample(samples, "GetFundAppMerchantTransferBillByOutBillNumberResponse"))
    assert result_of_transfer(bill).outcome == "accepted"
    cancelling = TransferBill.model_validate(_sample(samples, "CancelFundAppMerchantTransferBillResponse"))
    assert STATES[cancelling.state] == "accepted"
    withdraw = Withdraw.model_validate(_sample(samples, "GetEcommerceFundWithdrawByOutRequestNumberResponse"))
    assert result_of_withdraw(withdraw).outcome == "accepted"
    failed = result_of_withdraw(withdraw.model_copy(update={"status": "FAIL"}))
    assert (failed.outcome, failed.failure) == ("failed", "payee")


def test_the_sample_of_a_callback_is_heard(samples: Path, forge: Forge) -> None:
    account = forge.rails.accounts["wechatpay"]
    reader = WechatPayCallbacks(
        "wechatpay", PlatformKeys(account.platform_keys), account.apiv3_key, transfers=["wallet"]
    )
    resource = _sample(samples, "MerchantTransferBillFinishedResource")
    heard = reader.read(forge.callback(TRANSFER, resource)[0])
    assert isinstance(heard, Heard)
    assert (heard.key, heard.result.outcome) == (resource["out_bill_no"], "accepted")
    failed = reader.read(forge.callback(TRANSFER, {**resource, "state": "FAIL"})[0])
    assert isinstance(failed, Heard)
    assert (failed.result.failure, failed.result.amount_minor) == ("payee", resource["transfer_amount"])


async def test_what_we_send_has_the_fields_of_the_samples(
    samples: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    async def noted(client: object, path: str, body: dict[str, Any]) -> Any:
        sent.append(body)
        raise AssertionError("nothing is sent")

    async with forge.adapters(b"") as adapters:
        monkeypatch.setattr(type(adapters.client), "post", noted)
        for pay in (adapters.transfer.pay, adapters.withdraw.pay):
            with pytest.raises(AssertionError, match="nothing is sent"):
                await pay(payout_of("k1", "o-1", 400_000))
    for body, name in zip(
        sent, ("CreateFundAppMerchantTransferBillRequest", "CreateEcommerceFundWithdrawRequest"), strict=True
    ):
        sample = _sample(samples, name)
        assert body.keys() <= sample.keys()
        assert {field: type(value) for field, value in body.items()} == {field: type(sample[field]) for field in body}
    assert refund_of("k1", "T1").amount_minor < _sample(samples, "CreateEcommerceRefundRequest")["amount"]["total"] * 2
