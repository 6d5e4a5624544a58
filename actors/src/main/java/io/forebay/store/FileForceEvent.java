package io.forebay.store;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/**
 * One force of one file of a stripe, whatever it was for, for the flight recorder; short ones are left out unless a recording asks
 * for them.
 */
@Name(FileForceEvent.NAME)
@Label("File Force")
@Category({"Forebay", "Stripe"})
@Description("A file of a stripe, or the names in its directory, were forced to the device")
@Threshold("20 ms")
@StackTrace(false)
final class FileForceEvent extends Event {
    static final String NAME = "forebay.FileForce";

    @Label("Stripe")
    int stripe;

    /** Short: of long texts that occur again a recording that begins later may have lost what they are. */
    @Label("Kind")
    @Description("The kind of file, as its name begins: segment, index, checkpoint …; or the directory")
    String kind;

    @Label("Bytes")
    @Description("How much of it was to be forced, written since the last time or not")
    @DataAmount
    long bytes;

    @Label("Failed")
    boolean failed;
}
