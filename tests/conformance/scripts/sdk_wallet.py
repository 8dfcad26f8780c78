"""binance-sdk-wallet: what a key may, deposits, withdrawals, transfers."""

import sys

from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_wallet.wallet import Wallet

from tests.conformance.scripts.sdk_models import known
from tests.conformance.scripts.steps import Steps, control, http, same, told


def main() -> int:
    steps = Steps()
    account = told()["account"]
    name, secret = told()["keys"]["ed25519"]
    settings = ConfigurationRestAPI(
        api_key=name, private_key=secret, base_path=http(), timeout=5000
    )
    api = Wallet(config_rest_api=settings).rest_api
    with steps.step("the key's restrictions"):
        allowed = known(api.get_api_key_permission().data())
        assert allowed.enable_spot_and_margin_trading is True
        assert allowed.enable_withdrawals is False
    with steps.step("deposits and withdrawals"):
        control("deposit", account=account, asset="USDT", amount="12.5")
        control("withdraw", account=account, asset="USDT", amount="10", fee="1")
        same(known(api.deposit_history().data())[0].amount, "12.5")
        same(known(api.withdraw_history().data())[0].transaction_fee, "1")
    with steps.step("transfers between wallets"):
        control("transfer", account=account, type="MAIN_UMFUTURE", asset="USDT", amount="-5")
        moved = known(api.query_user_universal_transfer_history(type="MAIN_UMFUTURE").data())
        same(moved.rows[0].amount, "5")
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
