"""The timeline: a run as one HTML file that needs nothing else, not even a network.

- document: a run as compact JSON, which the page's scripts unpack
- page: styles, scripts and data put together into one file
- diff_page: two runs in columns, from their first difference on

The scripts lie beside the modules and are inlined as they are, in this order: unpack.js (the data), lanes.js and
axis.js (what lies where), filter.js (what is shown), bars.js, arrows.js, marks.js and draw.js (the picture),
overview.js, panel.js (the record in words), steer.js (what the reader does) and start.js. The styles are base.css,
timeline.css and diff.css.
"""
