"""API structs of receipts and heads of the hash chain; digests are hexadecimal."""

from typing import Any

import msgspec

from service.questions.hash_chain import Head, Receipt


class ReceiptOut(msgspec.Struct):
    """The proof of a fact; docs/chain.md explains how to verify it.

    `path` leads from its digest to the head of the question's chain; empty if no fact follows.
    """

    fact: dict[str, Any]
    salt: str
    previous: str
    digest: str
    path: list[str]

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptOut":
        """From the receipt."""
        return cls(
            receipt.fact,
            receipt.salt.hex(),
            receipt.previous.hex(),
            receipt.digest.hex(),
            [leaf.hex() for leaf in receipt.path],
        )

    def receipt(self) -> Receipt:
        """The receipt; raises ValueError if a digest is not hexadecimal."""
        path = tuple(bytes.fromhex(leaf) for leaf in self.path)
        salt, previous, digest = map(bytes.fromhex, (self.salt, self.previous, self.digest))
        return Receipt(self.fact, salt, previous, digest, path)


class HeadOut(msgspec.Struct):
    """The last digest of a question's chain, and the position of its fact."""

    question_id: int
    position: int
    digest: str

    @classmethod
    def of(cls, question_id: int, head: Head) -> "HeadOut":
        """From the head."""
        return cls(question_id, head.position, head.digest.hex())
