package io.forebay.yardstick;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What processes have used up to now. */
record Usage(long nanos, long loaderCpuNanos, long systemCpuNanos, Map<Long, Long> allocatedByThread, long gcMillis) {
    static Usage now(List<ProcessHandle> processes) {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        Map<Long, Long> allocated = new HashMap<>();
        long[] ids = threads.getAllThreadIds();
        long[] bytes = threads.getThreadAllocatedBytes(ids);
        for (int i = 0; i < ids.length; i++) {
            allocated.put(ids[i], Math.max(bytes[i], 0)); // -1 for a thread that has ended meanwhile
        }
        long gc = 0;
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            gc += Math.max(bean.getCollectionTime(), 0);
        }
        long others = 0;
        for (ProcessHandle process : processes) {
            others += process.info().totalCpuDuration().map(Duration::toNanos).orElse(0L);
        }
        return new Usage(System.nanoTime(), system.getProcessCpuTime(), others, allocated, gc);
    }

    /** Of the threads that are there now; what others allocated before they ended is not known. */
    long allocatedBytesSince(Usage before) {
        long sum = 0;
        for (Map.Entry<Long, Long> thread : allocatedByThread.entrySet()) {
            sum += Math.max(0, thread.getValue() - before.allocatedByThread.getOrDefault(thread.getKey(), 0L));
        }
        return sum;
    }
}
