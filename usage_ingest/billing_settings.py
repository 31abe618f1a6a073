"""The settings of the money side: what an export says of who bills, and where prices come from.

README.md's table is generated from the fields (python -m tests.readme_table).
"""

from typing import Literal

from pydantic import BaseModel, Field


class BillingSettings(BaseModel):
    """What prices and FOCUS exports read; field descriptions say what each is for."""

    billing_account_id: str = Field(
        "internal",
        alias="BILLING_ACCOUNT_ID",
        min_length=1,
        description="Whom a FOCUS export bills: the id of the organisation (`BillingAccountId`)",
        examples=["contoso"],
    )
    billing_account_name: str = Field(
        "Internal chargeback",
        alias="BILLING_ACCOUNT_NAME",
        min_length=1,
        description="Its name (`BillingAccountName`)",
        examples=["Contoso Ltd."],
    )
    invoice_issuer_name: str = Field(
        "Platform team",
        alias="INVOICE_ISSUER_NAME",
        min_length=1,
        description="Who charges the owners (`InvoiceIssuerName` and `ProviderName` of a FOCUS "
        "export)",
        examples=["AI platform team"],
    )
    list_estimates: Literal["on", "off"] = Field(
        "on",
        alias="LIST_ESTIMATES",
        description="Whether a public price list fills in for models that the price book lacks; "
        "what it fills in is marked as a list estimate",
    )
