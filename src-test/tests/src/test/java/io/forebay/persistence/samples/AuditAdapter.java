package io.forebay.persistence.samples;

import akka.actor.ExtendedActorSystem;
import akka.persistence.journal.EventAdapter;
import akka.persistence.journal.EventSeq;
import akka.persistence.journal.Tagged;
import java.util.HashSet;
import java.util.Set;
import scala.jdk.javaapi.CollectionConverters;

/** Akka's classic kind of adapter: tags what the auditors want to see, and stores who was responsible. */
public final class AuditAdapter implements EventAdapter {
    static final String TAG = "audit";

    /** An entry, by whom. */
    record Audited(String kind, long amount, String by) implements Stored {}

    /** Called by Akka. */
    public AuditAdapter(ExtendedActorSystem system) {}

    /** Akka keeps one manifest of an event: the one that the typed adapter needs. */
    @Override
    public String manifest(Object event) {
        return "v2";
    }

    @Override
    public Object toJournal(Object event) {
        Tagged tagged = (Tagged) event;
        BankAccount.Entry entry = (BankAccount.Entry) tagged.payload();
        Set<String> tags = new HashSet<>(CollectionConverters.asJava(tagged.tags()));
        if (!entry.kind().equals("charged")) {
            tags.add(TAG);
        }
        return new Tagged(new Audited(entry.kind(), entry.amount(), "teller"), tags);
    }

    @Override
    public EventSeq fromJournal(Object event, String manifest) {
        Audited audited = (Audited) event;
        return EventSeq.single(new BankAccount.Entry(audited.kind, audited.amount));
    }
}
