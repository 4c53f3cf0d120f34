# tilt.gdb: two commands that show numbers in gdb, without Python.
#
#   gdb -x ref/show/tilt.gdb build/ch01
#   (gdb) pvec net.p 20          the first 20 numbers with their index, then minimum, maximum, mean
#   (gdb) pvec &x[100] 8         any expression; one with blanks needs parentheses: pvec (x + 100) 8
#   (gdb) pimg digits 28 28      28 columns, 28 rows of numbers as shades, dark is low, light is high
#
# Both take a pointer or an array of float, double or whole numbers.  NaN is printed as it is and as '?';
# minimum, maximum and mean are those of the other numbers.

define pvec
  if $argc != 2
    printf "usage: pvec POINTER COUNT\n"
  else
    set $tilt_n = (long)($arg1)
    set $tilt_i = (long)0
    set $tilt_sum = 0.0
    set $tilt_nan = (long)0
    set $tilt_min = 1.7e308
    set $tilt_max = -1.7e308
    while $tilt_i < $tilt_n
      set $tilt_v = (double)($arg0)[$tilt_i]
      if $tilt_i % 5 == 0
        printf "%6ld:", $tilt_i
      end
      printf " %12.6g", $tilt_v
      if $tilt_v < $tilt_min
        set $tilt_min = $tilt_v
      end
      if $tilt_v > $tilt_max
        set $tilt_max = $tilt_v
      end
      if $tilt_v == $tilt_v
        set $tilt_sum = $tilt_sum + $tilt_v
      else
        set $tilt_nan = $tilt_nan + 1
      end
      set $tilt_i = $tilt_i + 1
      if $tilt_i % 5 == 0 || $tilt_i == $tilt_n
        printf "\n"
      end
    end
    if $tilt_n > $tilt_nan
      printf "n %ld  nan %ld  min %.9g  max %.9g", $tilt_n, $tilt_nan, $tilt_min, $tilt_max
      printf "  mean %.9g\n", $tilt_sum / ($tilt_n - $tilt_nan)
    else
      printf "n %ld  nan %ld\n", $tilt_n, $tilt_nan
    end
  end
end
document pvec
pvec POINTER COUNT: print COUNT numbers with their index, then minimum, maximum and mean.
end

define pimg
  if $argc != 3
    printf "usage: pimg POINTER WIDTH HEIGHT\n"
  else
    set $tilt_w = (long)($arg1)
    set $tilt_h = (long)($arg2)
    set $tilt_n = $tilt_w * $tilt_h
    set $tilt_i = (long)0
    set $tilt_min = 1.7e308
    set $tilt_max = -1.7e308
    while $tilt_i < $tilt_n
      set $tilt_v = (double)($arg0)[$tilt_i]
      if $tilt_v < $tilt_min
        set $tilt_min = $tilt_v
      end
      if $tilt_v > $tilt_max
        set $tilt_max = $tilt_v
      end
      set $tilt_i = $tilt_i + 1
    end
    set $tilt_i = (long)0
    while $tilt_i < $tilt_n
      set $tilt_v = (double)($arg0)[$tilt_i]
      set $tilt_k = 0
      if $tilt_v == $tilt_v && $tilt_max > $tilt_min
        set $tilt_k = (int)(9.999 * ($tilt_v - $tilt_min) / ($tilt_max - $tilt_min))
      end
      if $tilt_v != $tilt_v
        printf "?"
      else
        if $tilt_k == 0
          printf " "
        end
        if $tilt_k == 1
          printf "."
        end
        if $tilt_k == 2
          printf ":"
        end
        if $tilt_k == 3
          printf "-"
        end
        if $tilt_k == 4
          printf "="
        end
        if $tilt_k == 5
          printf "+"
        end
        if $tilt_k == 6
          printf "*"
        end
        if $tilt_k == 7
          printf "#"
        end
        if $tilt_k == 8
          printf "%%"
        end
        if $tilt_k == 9
          printf "@"
        end
      end
      set $tilt_i = $tilt_i + 1
      if $tilt_i % $tilt_w == 0
        printf "\n"
      end
    end
    if $tilt_n > 0
      printf "%ld x %ld  min %.9g ' '  max %.9g '@'\n", $tilt_w, $tilt_h, $tilt_min, $tilt_max
    end
  end
end
document pimg
pimg POINTER WIDTH HEIGHT: print rows of numbers as the shades " .:-=+*#%@" from the lowest to the highest.
end
