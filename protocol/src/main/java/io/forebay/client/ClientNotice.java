package io.forebay.client;

/** What a client tells about its connections, for whoever wants to show it. {@link #text()} is one line for people. */
public sealed interface ClientNotice {
    String text();

    /** A session is open, for the first time or again. */
    record Connected(String nodeName, String tried, boolean isAgain) implements ClientNotice {
        @Override
        public String text() {
            return (isAgain ? "connected again to node " : "connected to node ") + nodeName + " at " + tried;
        }
    }

    /** The session was lost; the client looks for the node again and repeats what is unanswered. */
    record Lost(String nodeName, String reason) implements ClientNotice {
        @Override
        public String text() {
            return "lost node " + nodeName + ": " + reason + "; looking for it again";
        }
    }

    /**
     * A subscription goes on, and the node does not serve all it is for: nothing of it when the group's messages are pushed, or a
     * part, too, when they are popped. Told once to each subscription in each session, and again when the reason is another one.
     */
    record Unserved(String nodeName, String topic, String group, String reason) implements ClientNotice {
        @Override
        public String text() {
            return "node " + nodeName + " does not serve all of topic " + topic + " to group " + group + ": " + reason;
        }
    }

    /** No answer for some time; told once for each search. The client goes on trying. */
    record NoAnswer(String tried, long waitedMillis, String advice) implements ClientNotice {
        @Override
        public String text() {
            return "no answer from " + tried + " for " + waitedMillis / 1000.0 + " s. " + advice;
        }
    }

    /** The node answered, but does not open a session. */
    record Refused(String tried, String reason) implements ClientNotice {
        @Override
        public String text() {
            return tried + " refuses a session: " + reason;
        }
    }
}
