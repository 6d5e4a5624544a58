package io.forebay.protocol;

/**
 * The rule for names of topics and groups: {@code [A-Za-z0-9%][A-Za-z0-9._%|-]{0,126}}. Checked without a regular
 * expression, because every request names a topic or a group. Thread-safe.
 */
public final class Names {
    /** The most characters a name may have. */
    public static final int NAME_CHARS_MAX = 127;
    /** What is allowed, as it is told to users. */
    public static final String RULE =
            "1 to 127 characters of A-Z a-z 0-9 . _ % | -, the first one a letter, a digit or %";

    /** How the names of topics with the dead letters of a group begin; the group's name follows. */
    public static final String DEAD_LETTERS = "%DLQ%";

    /** The node's own group in topics of dead letters: what it has settled went back to the queues. */
    public static final String REDRIVE_GROUP = "%REDRIVE%";

    private static final boolean[] LEGAL = new boolean[128];

    static {
        for (char c = 'a'; c <= 'z'; c++) {
            LEGAL[c] = true;
        }
        for (char c = 'A'; c <= 'Z'; c++) {
            LEGAL[c] = true;
        }
        for (char c = '0'; c <= '9'; c++) {
            LEGAL[c] = true;
        }
        for (char c : new char[] {'.', '_', '%', '|', '-'}) {
            LEGAL[c] = true;
        }
    }

    private Names() {}

    /** Whether messages of that topic are dead letters: they are never given up a second time. */
    public static boolean isDeadLetterTopic(String topic) {
        return topic.startsWith(DEAD_LETTERS);
    }

    /**
     * The topic of a group's dead letters.
     *
     * @param groupId the node's id of the group, part of the name when the group's is too long
     */
    public static String deadLetterTopic(String group, int groupId) {
        String name = DEAD_LETTERS + group;
        if (name.length() <= NAME_CHARS_MAX) {
            return name;
        }
        String end = "-" + groupId;
        return name.substring(0, NAME_CHARS_MAX - end.length()) + end;
    }

    /** Whether {@code name} may be the name of a topic or group. */
    public static boolean isLegal(String name) {
        if (name == null || name.isEmpty() || name.length() > NAME_CHARS_MAX) {
            return false;
        }
        char first = name.charAt(0);
        if (first == '.' || first == '_' || first == '|' || first == '-') {
            return false;
        }
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c >= 128 || !LEGAL[c]) {
                return false;
            }
        }
        return true;
    }

    /**
     * Checks a name.
     *
     * @param kind what is named, for the text: "topic", "group", "lane"
     * @return null if the name is legal, else the refusal to answer
     */
    public static Refusal check(String kind, String name) {
        return isLegal(name) ? null : Refusal.illegalName(kind, name);
    }
}
