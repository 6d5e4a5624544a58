package io.forebay.cli;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.RecordView;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Receipts that are held against a log: {@code STRIPE/SEQUENCE/CHECKSUM}, as {@code send --json} tells them. */
final class Receipts implements LogVerifier.RecordSink {
    private static final Logger LOGGER = LoggerFactory.getLogger(Receipts.class);
    private static final Pattern FORM = Pattern.compile("(\\d{1,9})/(\\d{1,18})/([0-9a-fA-F]{1,8})");

    private record Place(int stripe, long sequence) {}

    /** What the log says of each; null as long as it is not found. */
    private final Map<Place, String> found = new LinkedHashMap<>();

    private final Map<Place, Integer> checksums = new LinkedHashMap<>();
    private final Set<Long> sequences = new HashSet<>();
    /** With one of the sequences, of the stripe that is being read. */
    private final Map<Long, LogRecord> met = new HashMap<>();

    /** @throws CliException if one has not that form */
    Receipts(List<String> texts) {
        for (String text : texts) {
            Matcher parts = FORM.matcher(text);
            if (!parts.matches()) {
                throw CliException.usage("the receipt '" + text
                        + "' is not STRIPE/SEQUENCE/CHECKSUM with a checksum in hexadecimal, as in 0/4711/1a2b3c4d");
            }
            Place place = new Place(Integer.parseInt(parts.group(1)), Long.parseLong(parts.group(2)));
            checksums.put(place, Integer.parseUnsignedInt(parts.group(3), 16));
            found.put(place, null);
            sequences.add(place.sequence);
        }
    }

    @Override
    public void record(String segment, long position, RecordView record) {
        if (!sequences.contains(record.sequence())) {
            return;
        }
        try {
            met.put(record.sequence(), record.decode());
        } catch (CorruptRecordException e) {
            LOGGER.debug("verify tells of it, too", e);
        }
    }

    /** All records since the last call were of that stripe. */
    void end(int stripeId) {
        checksums.forEach((place, wanted) -> {
            LogRecord record = met.get(place.sequence);
            if (place.stripe == stripeId && record != null) {
                found.put(place, problem(record, wanted));
            }
        });
        met.clear();
    }

    private static String problem(LogRecord record, int wanted) {
        if (!(record instanceof MessageRecord message)) {
            return "the record with that sequence is no message, but " + record.type();
        }
        int stored = MessageRecord.payloadCrc(message.body(), 0, message.body().length);
        return stored == wanted ? "" : String.format("the body that is stored has the checksum %08x", stored);
    }

    /** A line for each that does not hold. */
    List<String> broken() {
        List<String> broken = new ArrayList<>();
        found.forEach((place, problem) -> {
            String receipt = String.format("%d/%d/%08x", place.stripe, place.sequence, checksums.get(place));
            if (problem == null) {
                broken.add(
                        "receipt " + receipt + ": no record with that sequence is stored (lost, or cleaned long ago)");
            } else if (!problem.isEmpty()) {
                broken.add("receipt " + receipt + ": " + problem);
            }
        });
        return broken;
    }

    int count() {
        return found.size();
    }
}
