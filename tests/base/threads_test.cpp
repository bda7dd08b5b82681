#include "base/threads.h"

#include <atomic>
#include <numeric>
#include <stdexcept>

#include <doctest/doctest.h>

using namespace mt;

TEST_CASE("thread pool: every item once, for any number of workers") {
  for (const std::size_t threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<int> seen(101, 0);
      pool.parallel_for(seen.size(), [&](std::size_t item, std::size_t worker) {
        CHECK_LT(worker, threads);
        ++seen[item];
      });
      CHECK(std::accumulate(seen.begin(), seen.end(), 0) == 101);
    }
  }
}

TEST_CASE("thread pool: an exception reaches the caller and the pool stays usable") {
  ThreadPool pool(3);
  CHECK_THROWS_AS(pool.parallel_for(10,
                                    [](std::size_t item, std::size_t) {
                                      if (item == 4) throw std::runtime_error("four");
                                    }),
                  std::runtime_error);
  std::atomic<int> count{0};
  pool.parallel_for(5, [&](std::size_t, std::size_t) { ++count; });
  CHECK(count == 5);
}

TEST_CASE("bounded queue: hands on in order, and ends or fails for the consumer") {
  BoundedQueue<int> queue(2);
  std::thread producer([&] {
    for (int i = 0; i < 100; ++i) queue.push(i);
    queue.close();
  });
  for (int i = 0; i < 100; ++i) CHECK(queue.pop() == i);
  CHECK_FALSE(queue.pop());
  producer.join();

  BoundedQueue<int> failing(2);
  failing.fail(std::make_exception_ptr(std::runtime_error("producer")));
  CHECK_THROWS_AS(failing.pop(), std::runtime_error);
  CHECK_FALSE(failing.push(1));
}
