package io.forebay.yardstick;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;

/** What processes have used up to now. */
record Usage(long nanos, long loaderCpuNanos, long systemCpuNanos, long allocatedBytes, long gcMillis) {
    static Usage now(List<ProcessHandle> processes) {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = 0;
        for (long bytes : threads.getThreadAllocatedBytes(threads.getAllThreadIds())) {
            allocated += Math.max(bytes, 0); // -1 for a thread that has ended meanwhile
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
}
