package io.forebay.look.core;

/** What ids are called. */
public interface LifeNames {
    /** Names for those who know none. */
    LifeNames UNKNOWN = new LifeNames() {
        @Override
        public String group(int groupId) {
            return "group id " + groupId;
        }

        @Override
        public String queue(int queueId) {
            return "queue id " + queueId;
        }
    };

    String group(int groupId);

    /** As {@code TOPIC/NUMBER}. */
    String queue(int queueId);
}
