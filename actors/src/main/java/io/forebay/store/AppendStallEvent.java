package io.forebay.store;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/** A time in which a stripe's appends had to wait, for the flight recorder; it ends when the last of them is written or refused. */
@Name(AppendStallEvent.NAME)
@Label("Append Stall")
@Category({"Forebay", "Stripe"})
@Description("Appends of a stripe waited")
@Threshold("20 ms")
@StackTrace(false)
final class AppendStallEvent extends Event {
    static final String NAME = "forebay.AppendStall";

    @Label("Stripe")
    int stripe;

    @Label("Cause")
    @Description("What they waited for")
    String cause;
}
