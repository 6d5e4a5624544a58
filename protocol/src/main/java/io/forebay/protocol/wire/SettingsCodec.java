package io.forebay.protocol.wire;

import io.forebay.protocol.SettingsChange;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The fields of what is said about settings, behind the request id. Thread-safe, without state. */
final class SettingsCodec {
    private SettingsCodec() {}

    static void write(WireWriter out, SettingsCommand command) {
        if (command instanceof SettingsCommand.ChangeSettings change) {
            out.u8(change.scope().code());
            out.text(change.name());
            WireValues.writeMap(out, change.changes());
            out.zigzag(change.expectedVersion());
            out.text(change.who());
        } else if (command instanceof SettingsCommand.DescribeSettings describe) {
            out.u8(describe.scope().code());
            out.text(describe.name());
            out.zigzag(describe.historyMax());
        } else {
            throw new AssertionError(command);
        }
    }

    static void write(WireWriter out, SettingsDescription settings) {
        out.u8(settings.scope().code());
        out.text(settings.name());
        out.text(settings.node());
        out.zigzag(settings.version());
        WireValues.writeMap(out, settings.own());
        WireValues.writeMap(out, settings.effective());
        out.varint(settings.history().size());
        for (SettingsChange change : settings.history()) {
            out.zigzag(change.version());
            out.zigzag(change.changedMillis());
            out.shared(change.who());
            WireValues.writeMap(out, change.before());
            WireValues.writeMap(out, change.after());
        }
    }

    static SettingsCommand.ChangeSettings readChange(WireReader in, long requestId) throws MalformedWireException {
        return new SettingsCommand.ChangeSettings(
                requestId, readScope(in), in.text(), WireValues.readMap(in), in.zigzag(), in.text());
    }

    static SettingsCommand.DescribeSettings readDescribe(WireReader in, long requestId) throws MalformedWireException {
        return new SettingsCommand.DescribeSettings(requestId, readScope(in), in.text(), in.zigzagInt());
    }

    static SettingsDescription readSettings(WireReader in) throws MalformedWireException {
        SettingsScope scope = readScope(in);
        String name = in.text();
        String node = in.text();
        long version = in.zigzag();
        Map<String, String> own = WireValues.readMap(in);
        Map<String, String> effective = WireValues.readMap(in);
        int count = in.count(5);
        List<SettingsChange> history = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            history.add(new SettingsChange(
                    in.zigzag(), in.zigzag(), in.shared(), WireValues.readMap(in), WireValues.readMap(in)));
        }
        return new SettingsDescription(scope, name, node, version, own, effective, history);
    }

    private static SettingsScope readScope(WireReader in) throws MalformedWireException {
        int code = in.u8();
        for (SettingsScope scope : SettingsScope.values()) {
            if (scope.code() == code) {
                return scope;
            }
        }
        throw in.malformed("scope " + code + " of settings");
    }
}
