// An epoch in windows that fit into memory: read ahead, and used up sample by sample in a drawn order.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/threads.h"

namespace mt {

template <class Rows>
struct ShuffledWindow {
  std::vector<std::size_t> loaded;  // numbers of samples, in the order of rows
  std::vector<std::size_t> drawn;   // places in loaded, in the order in which they are used
  Rows rows;                        // what load makes of them
};

// The samples of all windows in the order in which they are used: for tests.
template <class Rows>
std::vector<std::size_t> order_of(const std::vector<ShuffledWindow<Rows>>& windows) {
  std::vector<std::size_t> order;
  for (const auto& window : windows) {
    for (const std::size_t place : window.drawn) order.push_back(window.loaded[place]);
  }
  return order;
}

template <class Rows>
class ShuffledWindows {
 public:
  using Window = ShuffledWindow<Rows>;
  using Load = std::function<void(Window&)>;  // fills rows; called from a thread of its own

  // Starts an epoch. Its first `skip` samples are left out, windows of nothing else unread.
  void begin(std::vector<Window> windows, std::size_t skip, Load load) {
    stop();
    std::size_t whole = 0;
    while (whole < windows.size() && skip >= windows[whole].loaded.size()) skip -= windows[whole++].loaded.size();
    windows.erase(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(whole));
    used_ = skip;
    reader_ = std::make_unique<Reader>(std::move(windows), std::move(load));
    window_ = reader_->next();
  }

  // Ends the epoch and its reading thread.
  void stop() {
    reader_.reset();
    window_.reset();
  }

  struct Draw {
    const Rows& rows;        // of its window, until the next draw
    std::size_t row = 0;     // its own among them
    std::size_t sample = 0;  // its number
  };
  // The next sample; nullopt at the end of the epoch. Throws what load threw.
  std::optional<Draw> next() {
    while (window_ && used_ == window_->drawn.size()) {
      window_ = reader_->next();
      used_ = 0;
    }
    if (!window_) return std::nullopt;
    const std::size_t row = window_->drawn[used_++];
    return Draw{window_->rows, row, window_->loaded[row]};
  }

 private:
  // One window ahead of the one that is used.
  class Reader {
   public:
    Reader(std::vector<Window> windows, Load load) : queue_(1) {
      thread_ = std::thread([this, windows = std::move(windows), load = std::move(load)]() mutable {
        try {
          for (Window& window : windows) {
            load(window);
            if (!queue_.push(std::move(window))) return;
          }
          queue_.close();
        } catch (...) {
          queue_.fail(std::current_exception());
        }
      });
    }
    ~Reader() {
      queue_.close();
      thread_.join();
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    std::optional<Window> next() { return queue_.pop(); }

   private:
    BoundedQueue<Window> queue_;
    std::thread thread_;
  };

  std::unique_ptr<Reader> reader_;
  std::optional<Window> window_;
  std::size_t used_ = 0;  // samples of the window that are used up
};

}  // namespace mt
