package io.forebay.storage.log;

/**
 * Something that was durable is not what was written. The stripe does not start by itself on such a log;
 * {@code forebay log repair} copies it first.
 */
public final class CorruptLogException extends StripeException {
    private static final long serialVersionUID = 1L;

    private final String file;
    private final long position;
    private final String problem;

    public CorruptLogException(String file, long position, String problem) {
        super(
                Reason.CORRUPT,
                "the log is damaged: " + file + ", position " + position + ": " + problem
                        + "; look with 'forebay log verify " + directoryOf(file)
                        + "', see what can be mended with 'forebay log repair " + directoryOf(file) + "'");
        this.file = file;
        this.position = position;
        this.problem = problem;
    }

    private static String directoryOf(String file) {
        int end = file.lastIndexOf('/');
        return end > 0 ? file.substring(0, end) : "DIR";
    }

    /** The file with the damage. */
    public String file() {
        return file;
    }

    /** Address of the first bad frame, or -1 where the damage is no frame. */
    public long position() {
        return position;
    }

    public String problem() {
        return problem;
    }
}
