package io.forebay.testkit.check;

import io.forebay.protocol.ReceiptHandle;

/** A fact about one delivery. */
interface OfDelivery {
    ReceiptHandle handle();
}
