package io.forebay.testkit.check;

/** What must hold whatever happens. */
public enum Invariant {
    /** Nothing acknowledged is missing. */
    I1("nothing acknowledged is missing"),
    /** Nothing is invented or altered. */
    I2("nothing is invented or altered"),
    /** Order per key. */
    I3("order per key"),
    /** An acked message does not come back, at the level it was acked with. */
    I4("an acked message does not come back"),
    /** Never two valid handles for one message and group. */
    I5("never two valid handles for one message and group"),
    /** Attempts are counted right, and a message is dead-lettered exactly after the limit. */
    I6("attempts counted right, dead-lettered exactly after the limit"),
    /** Nothing before its time. */
    I7("nothing before its time"),
    /** After any fault the node serves again within its budget, or says clearly why not. */
    I8("after any fault the node serves again within its budget or says why not");

    private final String text;

    Invariant(String text) {
        this.text = text;
    }

    @Override
    public String toString() {
        return name() + ", " + text;
    }
}
