package io.forebay.persistence;

import akka.actor.ExtendedActorSystem;
import akka.persistence.Persistence;
import akka.persistence.query.ReadJournalProvider;
import com.typesafe.config.Config;

/** Gives Akka the read journal, for Java and for Scala. */
public final class ForebayReadJournalProvider implements ReadJournalProvider {
    private final ForebayReadJournal journal;
    private final Persistence persistence;

    /** Called by Akka with the plugin's section. */
    public ForebayReadJournalProvider(ExtendedActorSystem system, Config config) {
        journal = new ForebayReadJournal(system, config);
        persistence = Persistence.get(system);
    }

    @Override
    public ForebayScalaReadJournal scaladslReadJournal() {
        return new ForebayScalaReadJournal(journal, persistence);
    }

    @Override
    public ForebayReadJournal javadslReadJournal() {
        return journal;
    }
}
