package io.forebay.store;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/** One force, for the flight recorder; short ones are left out unless a recording asks for them. */
@Name(ForceEvent.NAME)
@Label("Force")
@Category({"Forebay", "Stripe"})
@Description("What a stripe had written was forced to the device")
@Threshold("20 ms")
@StackTrace(false)
final class ForceEvent extends Event {
    static final String NAME = "forebay.Force";

    @Label("Stripe")
    int stripe;

    @Label("Frames")
    @Description("Appends that shared the force")
    int frames;

    @Label("Bytes")
    @DataAmount
    long bytes;

    @Label("Failed")
    boolean failed;
}
