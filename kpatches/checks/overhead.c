/*
 * What one event costs, in instructions: overhead EVENT FILE COUNT SEED
 *
 * For a guest of QEMU -icount shift=0, where the time stamp counter counts instructions.
 * Prints "COUNT P10 P50 P75 P90 MEAN", the mean without the costliest hundredth, in which
 * interrupts are.  Every kernel gets the same events in the same order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE 4096UL
/* Pages between two misses, so that none finds the trace of a stream */
#define APART 8
/* Fault-around maps so many pages at once */
#define AROUND 16
/* A mapping with more misses than this is not read around any more */
#define MISSES 90
/* Dirty pages that stay below the limits which the caller has set */
#define DIRTY 16

static const char *path;
static size_t pages, wanted, done;
static uint64_t *costs, rng_state;
static char *buffer;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	return rng_state ^= rng_state << 17;
}

/* Every apart-th page but the first, in random order */
static size_t *shuffled(size_t apart, size_t *count)
{
	size_t *order, i, j, swap;

	*count = pages / apart - 1;
	order = calloc(*count, sizeof(*order));
	if (!order || !*count)
		die("shuffled");
	for (i = 0; i < *count; i++)
		order[i] = (i + 1) * apart;
	for (i = *count - 1; i; i--) {
		j = rng() % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
	return order;
}

static int open_file(int flags)
{
	struct stat st;
	int fd = open(path, flags);

	if (fd < 0 || fstat(fd, &st))
		die(path);
	pages = st.st_size / PAGE;
	return fd;
}

static void forget(int fd)
{
	if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("posix_fadvise");
}

static char *map(int fd)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void read_page(int fd, size_t page)
{
	uint64_t start = __rdtsc();
	ssize_t size = pread(fd, buffer, PAGE, page * PAGE);

	costs[done] = __rdtsc() - start;
	if (size != PAGE)
		die("pread");
	done++;
}

static void write_page(int fd, size_t page)
{
	uint64_t start = __rdtsc();
	ssize_t size = pwrite(fd, buffer, PAGE, page * PAGE);

	costs[done] = __rdtsc() - start;
	if (size != PAGE)
		die("pwrite");
	done++;
}

static void touch(const char *at, size_t page)
{
	uint64_t start = __rdtsc();

	*(const volatile char *)(at + page * PAGE);
	costs[done++] = __rdtsc() - start;
}

/* Into the page cache, through this descriptor; twice, for the LRU lists */
static void cache(int fd)
{
	for (size_t i = 0; i < 2 * pages; i++)
		if (pread(fd, buffer, PAGE, i % pages * PAGE) != PAGE)
			die("pread");
}

static void read_hit(void)
{
	int fd = open_file(O_RDONLY);

	cache(fd);
	while (done < wanted)
		read_page(fd, rng() % pages);
}

/* With windows of two pages every second read starts one */
static void read_stream(void)
{
	int fd = open_file(O_RDONLY);

	while (done < wanted) {
		forget(fd);
		for (size_t i = 0; i < pages && done < wanted; i++)
			read_page(fd, i);
	}
}

static void read_miss(void)
{
	int fd = open_file(O_RDONLY);
	size_t count, *order = shuffled(APART, &count);

	while (done < wanted) {
		forget(fd);
		for (size_t i = 0; i < count && done < wanted; i++)
			read_page(fd, order[i]);
	}
}

static void fault_hit(void)
{
	int fd = open_file(O_RDONLY);
	size_t count, *order = shuffled(AROUND, &count);
	char *at = map(fd);

	cache(fd);
	while (done < wanted) {
		if (madvise(at, pages * PAGE, MADV_DONTNEED))
			die("madvise");
		for (size_t i = 0; i < count && done < wanted; i++)
			touch(at, order[i]);
	}
}

static void fault_miss(void)
{
	while (done < wanted) {
		int fd = open_file(O_RDONLY);
		size_t count, *order = shuffled(APART, &count);
		char *at = map(fd);

		forget(fd);
		for (size_t i = 0; i < MISSES && done < wanted; i++)
			touch(at, order[i]);
		munmap(at, pages * PAGE);
		close(fd);
		free(order);
	}
}

static void direct_read(void)
{
	int fd = open_file(O_RDONLY | O_DIRECT);

	while (done < wanted)
		read_page(fd, rng() % pages);
}

static void direct_write(void)
{
	int fd = open_file(O_WRONLY | O_DIRECT);

	while (done < wanted)
		write_page(fd, rng() % pages);
}

static void dirty_again(void)
{
	int fd = open_file(O_RDWR);

	cache(fd);
	while (done < wanted)
		write_page(fd, rng() % DIRTY);
}

static void dirty_new(void)
{
	int fd = open_file(O_RDWR);

	cache(fd);
	while (done < wanted) {
		if (fdatasync(fd))
			die("fdatasync");
		for (size_t i = 0; i < DIRTY && done < wanted; i++)
			write_page(fd, done % pages);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} events[] = {
	{ "read_hit", read_hit },
	{ "read_stream", read_stream },
	{ "read_miss", read_miss },
	{ "fault_hit", fault_hit },
	{ "fault_miss", fault_miss },
	{ "direct_read", direct_read },
	{ "direct_write", direct_write },
	{ "dirty_again", dirty_again },
	{ "dirty_new", dirty_new },
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t i, kept;
	double sum = 0;

	if (argc != 5)
		return fprintf(stderr, "usage: overhead EVENT FILE COUNT SEED\n"), 2;
	path = argv[2];
	wanted = strtoul(argv[3], NULL, 10);
	rng_state = strtoull(argv[4], NULL, 10);
	if (wanted < 100 || !rng_state)
		return fprintf(stderr, "at least 100 events, and a seed but 0\n"), 2;
	costs = calloc(wanted, sizeof(*costs));
	buffer = aligned_alloc(PAGE, PAGE);
	if (!costs || !buffer)
		die("memory");
	memset(costs, 1, wanted * sizeof(*costs));
	memset(buffer, 1, PAGE);
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	for (i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (!strcmp(events[i].name, argv[1]))
			break;
	if (i == sizeof(events) / sizeof(*events))
		return fprintf(stderr, "unknown event: %s\n", argv[1]), 2;
	events[i].run();

	qsort(costs, wanted, sizeof(*costs), compare);
	kept = wanted - wanted / 100;
	for (i = 0; i < kept; i++)
		sum += costs[i];
	printf("%zu %lu %lu %lu %lu %.2f\n", wanted, costs[wanted / 10], costs[wanted / 2],
	       costs[wanted * 3 / 4], costs[wanted * 9 / 10], sum / kept);
	return 0;
}
